"""recipients.json: added to, removed from, refused where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.vault.recipients import add_recipient, load_recipients, remove_recipient
from onyx_pipelines_tests.vault.sets import KeyPair, make_key


@pytest.fixture
def keys(tmp_path: Path) -> tuple[KeyPair, KeyPair]:
    return make_key(tmp_path, "a"), make_key(tmp_path, "b")


@pytest.fixture
def listed(tmp_path: Path, keys: tuple[KeyPair, KeyPair]) -> Path:
    path = tmp_path / "etc" / "recipients.json"
    for pair in keys:
        add_recipient(path, pair.recipient)
    return path


def test_the_list_keeps_what_was_added_in_order(
    listed: Path, keys: tuple[KeyPair, KeyPair]
) -> None:
    assert load_recipients(listed) == tuple(pair.recipient for pair in keys)


def test_the_file_holds_no_private_key(listed: Path, keys: tuple[KeyPair, KeyPair]) -> None:
    private = json.loads(keys[0].path.read_text())["private_keyset"]

    assert json.loads(private)["key"][0]["keyData"]["value"] not in listed.read_text()
    assert "PRIVATE" not in listed.read_text()


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_recipient_is_removed_by_name_or_id(
    listed: Path, keys: tuple[KeyPair, KeyPair], by: str
) -> None:
    remove_recipient(listed, getattr(keys[0].recipient, by))

    assert load_recipients(listed) == (keys[1].recipient,)


def test_the_last_recipient_is_not_removed(listed: Path) -> None:
    remove_recipient(listed, "a")

    with pytest.raises(KeyFileError, match="last recipient"):
        remove_recipient(listed, "b")

    assert len(load_recipients(listed)) == 1


def test_removing_nobody_names_who_is_there(listed: Path) -> None:
    with pytest.raises(KeyFileError, match=r"no recipient 'c'.*a \([0-9a-f]{16}\), b \("):
        remove_recipient(listed, "c")


def test_the_same_key_or_name_is_not_added_twice(
    tmp_path: Path, listed: Path, keys: tuple[KeyPair, KeyPair]
) -> None:
    namesake = make_key(tmp_path / "elsewhere", "a").recipient

    for recipient in (keys[0].recipient, namesake):
        with pytest.raises(KeyFileError, match="has recipient 'a'"):
            add_recipient(listed, recipient)

    assert len(load_recipients(listed)) == 2


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"does not exist.*onyx keys create"):
        load_recipients(tmp_path / "recipients.json")


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipients.json"
    path.write_text('{"recipients": []}')

    with pytest.raises(KeyFileError, match="nobody could open"):
        load_recipients(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"recipients": [{"name": "a"}]}'])
def test_a_file_that_is_no_list_of_recipients_is_damaged(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipients.json"
    path.write_text(content)

    with pytest.raises(KeyFileError, match="damaged"):
        load_recipients(path)


def test_an_id_that_does_not_fit_its_key_is_found(listed: Path) -> None:
    content = json.loads(listed.read_text())
    content["recipients"][0]["id"] = "0" * 16
    listed.write_text(json.dumps(content))

    with pytest.raises(KeyFileError, match="id of 'a' does not fit"):
        load_recipients(listed)


def test_a_key_that_stands_there_twice_is_found(listed: Path) -> None:
    content = json.loads(listed.read_text())
    content["recipients"] *= 2
    listed.write_text(json.dumps(content))

    with pytest.raises(KeyFileError, match="twice"):
        load_recipients(listed)


def test_an_unreadable_or_unwritable_file_is_named(
    tmp_path: Path, keys: tuple[KeyPair, KeyPair]
) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(KeyFileError, match="cannot be read"):
        load_recipients(tmp_path)
    with pytest.raises(KeyFileError, match="cannot be written"):
        add_recipient(tmp_path / "file" / "recipients.json", keys[0].recipient)


def test_a_failed_change_leaves_the_list_and_nothing_else(
    listed: Path, keys: tuple[KeyPair, KeyPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listed.read_bytes()

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(KeyFileError, match="No space left"):
        remove_recipient(listed, "a")

    assert listed.read_bytes() == before
    assert [path.name for path in listed.parent.iterdir()] == ["recipients.json"]
