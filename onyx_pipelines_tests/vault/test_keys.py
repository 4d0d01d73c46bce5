"""Private key files and recipients: made, checked, copied, refused, never shown."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import traceback
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.vault.keys import (
    RECIPIENTS,
    check_private_key,
    copy_to_escrow,
    create_private_key,
    load_private_key,
)
from onyx_pipelines_tests.vault.sets import make_key, signers


def test_a_new_key_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    create_private_key(tmp_path / "key", "host")
    os.umask(before)

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_the_loaded_key_has_the_recipient_that_was_returned(tmp_path: Path) -> None:
    recipient = create_private_key(tmp_path / "deep" / "key", "Größe")

    key = load_private_key(tmp_path / "deep" / "key")

    assert key.recipient == recipient
    assert key.name == "Größe"


def test_a_recipients_id_is_the_hash_of_its_public_keyset(tmp_path: Path) -> None:
    recipient = make_key(tmp_path).recipient

    assert recipient.id == hashlib.sha256(recipient.public_keyset.encode()).hexdigest()[:16]


def test_two_keys_are_different(tmp_path: Path) -> None:
    assert make_key(tmp_path, "a").recipient.id != make_key(tmp_path, "b").recipient.id


def test_an_existing_key_file_is_never_overwritten(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    content = pair.path.read_bytes()

    with pytest.raises(KeyFileError, match="never overwritten"):
        create_private_key(pair.path, "again")

    assert pair.path.read_bytes() == content


def test_a_key_that_cannot_be_written_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(KeyFileError, match=r"file/key cannot be written"):
        create_private_key(tmp_path / "file" / "key", "host")


def test_a_key_without_a_name_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="name must be"):
        create_private_key(tmp_path / "key", " ")

    assert not (tmp_path / "key").exists()


def test_a_missing_key_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"does not exist.*onyx keys create"):
        load_private_key(tmp_path / "none")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_key_file_open_to_others_is_refused_with_the_command(tmp_path: Path, mode: int) -> None:
    pair = make_key(tmp_path)
    pair.path.chmod(mode)

    with pytest.raises(KeyFileError, match=rf"mode {mode:04o}.*chmod 600 {pair.path}"):
        load_private_key(pair.path)


def test_a_read_only_key_file_is_fine(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    pair.path.chmod(0o400)

    assert load_private_key(pair.path).id == pair.recipient.id


def test_a_directory_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyFileError, match="not a regular file"):
            load_private_key(path)


def test_a_loop_of_links_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "key")

    with pytest.raises(KeyFileError, match="cannot be read"):
        load_private_key(tmp_path / "key")


@pytest.mark.parametrize(
    "edit",
    [
        {"private_keyset": "{}"},
        {"private_keyset": "not a keyset"},
        {"recipient_id": "0" * 16},
        {"format": "something"},
        {"format_version": 2},
        {"name": ""},
        {"unknown": 1},
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, edit: dict[str, object]) -> None:
    pair = make_key(tmp_path)
    pair.path.write_text(json.dumps(json.loads(pair.path.read_text()) | edit))

    with pytest.raises(KeyFileError, match=r"host\.key is not a private key"):
        load_private_key(pair.path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----"])
def test_foreign_content_is_no_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(KeyFileError, match="is not a private key"):
        load_private_key(path)


def test_a_public_keyset_is_no_private_key(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    content = json.loads(pair.path.read_text())
    content["private_keyset"] = pair.recipient.public_keyset
    pair.path.write_text(json.dumps(content))

    with pytest.raises(KeyFileError, match="is not a private key"):
        load_private_key(pair.path)


def test_no_error_or_repr_carries_the_secret(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    content = json.loads(pair.path.read_text())
    secret = json.loads(content["private_keyset"])["key"][0]["keyData"]["value"]
    content["recipient_id"] = "0" * 16
    pair.path.write_text(json.dumps(content))

    with pytest.raises(KeyFileError) as caught:
        load_private_key(pair.path)

    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(pair.private)
    assert secret not in shown
    assert secret.encode() not in pickle.dumps(error)
    assert error.__context__ is None
    assert error.__cause__ is None


def test_a_damaged_key_file_is_not_chained_to_its_text(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    pair.path.write_text(pair.path.read_text()[:-10])

    with pytest.raises(KeyFileError) as caught:
        load_private_key(pair.path)

    assert caught.value.__context__ is None


def test_an_escrow_copy_is_the_same_key_for_its_owner_only(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    escrow = tmp_path / "usb" / "copy.key"

    recipient = copy_to_escrow(pair.path, escrow, ())

    assert recipient == pair.recipient
    assert json.loads(escrow.read_text()) == json.loads(pair.path.read_text())
    assert escrow.stat().st_mode & 0o777 == 0o600


def test_an_escrow_copy_says_whose_sets_count(tmp_path: Path) -> None:
    pair = make_key(tmp_path)

    copy_to_escrow(pair.path, tmp_path / "copy", signers("a", "b").listed)

    assert load_private_key(tmp_path / "copy").signers == signers("a", "b").listed
    copy_to_escrow(tmp_path / "copy", tmp_path / "second copy", signers("c").listed)
    assert load_private_key(tmp_path / "second copy").signers == signers("c").listed


def test_an_escrow_copy_overwrites_nothing(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    other = make_key(tmp_path, "other")
    content = other.path.read_bytes()

    with pytest.raises(KeyFileError, match="never overwritten"):
        copy_to_escrow(pair.path, other.path, ())

    assert other.path.read_bytes() == content


def test_nothing_that_is_no_key_goes_into_escrow(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nothing")
    (tmp_path / "key").chmod(0o600)

    with pytest.raises(KeyFileError, match="is not a private key"):
        copy_to_escrow(tmp_path / "key", tmp_path / "copy", ())

    assert not (tmp_path / "copy").exists()


def test_the_check_finds_the_recipient_of_a_key(tmp_path: Path) -> None:
    a, b = make_key(tmp_path, "a"), make_key(tmp_path, "b")

    assert check_private_key(b.private, (a.recipient, b.recipient)) == b.recipient


def test_the_check_names_the_recipients_when_the_key_is_none_of_them(tmp_path: Path) -> None:
    a, b = make_key(tmp_path, "a"), make_key(tmp_path, "b")

    with pytest.raises(KeyFileError, match=rf"'b'.*a \({a.recipient.id}\)"):
        check_private_key(b.private, (a.recipient,))


def test_what_is_encrypted_opens_with_the_private_key_and_the_same_context(tmp_path: Path) -> None:
    pair, other = make_key(tmp_path), make_key(tmp_path, "other")
    sealed = pair.recipient.encrypt(b"keyset", b"context")

    assert pair.private.decrypt(sealed, b"context") == b"keyset"
    assert pair.private.decrypt(sealed, b"elsewhere") is None
    assert other.private.decrypt(sealed, b"context") is None


@pytest.mark.parametrize("text", ["", "{}", "hello", '{"primaryKeyId": 1}'])
def test_what_is_no_public_key_is_no_recipient(text: str) -> None:
    with pytest.raises(KeyFileError, match="'eve' is not a public"):
        RECIPIENTS.make("eve", text)


def test_a_private_keyset_is_refused_as_a_public_one(tmp_path: Path) -> None:
    content = json.loads(make_key(tmp_path).path.read_text())

    with pytest.raises(KeyFileError, match="is not a public"):
        RECIPIENTS.make("eve", content["private_keyset"])
