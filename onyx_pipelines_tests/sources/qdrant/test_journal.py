"""The journal outlives a kill at any moment, and loses no entry by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.journal import JournalEntry, SnapshotJournal


def entry(**changes: object) -> JournalEntry:
    values: dict[str, object] = {
        "url": "http://qdrant:6333",
        "collection": "documents",
        "present": ("old.snapshot",),
        "requested_at": 1_800_000_000.5,
        "clock_slack_s": 5.0,
        **changes,
    }
    return JournalEntry.model_validate(values)


def test_an_entry_is_read_back_by_another_process(tmp_path: Path) -> None:
    slot = SnapshotJournal(tmp_path).add(entry())

    assert SnapshotJournal(tmp_path).read() == {slot: entry()}


def test_two_snapshots_of_one_collection_have_two_entries(tmp_path: Path) -> None:
    journal = SnapshotJournal(tmp_path)

    first, second = journal.add(entry(snapshot="a")), journal.add(entry(snapshot="b"))

    assert journal.read() == {first: entry(snapshot="a"), second: entry(snapshot="b")}


def test_a_name_replaces_the_entry_of_its_own_slot_only(tmp_path: Path) -> None:
    journal = SnapshotJournal(tmp_path)
    other, slot = journal.add(entry(collection="other")), journal.add(entry())

    journal.write(slot, entry(snapshot="documents-1.snapshot"))

    assert journal.read()[slot].snapshot == "documents-1.snapshot"
    assert journal.read()[other] == entry(collection="other")


def test_a_forgotten_entry_is_gone_and_forgetting_twice_is_fine(tmp_path: Path) -> None:
    journal = SnapshotJournal(tmp_path)
    slot = journal.add(entry())

    journal.forget(slot)
    journal.forget(slot)

    assert journal.read() == {}


def test_a_journal_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert SnapshotJournal(tmp_path / "absent").read() == {}


def test_a_file_that_a_kill_left_half_written_is_not_an_entry(tmp_path: Path) -> None:
    journal = SnapshotJournal(tmp_path)
    slot = journal.add(entry())
    (tmp_path / "journal" / "qdrant" / ".abc.tmp").write_text('{"url":')

    assert list(journal.read()) == [slot]


def test_an_entry_that_cannot_be_understood_is_named_and_kept(tmp_path: Path) -> None:
    journal = SnapshotJournal(tmp_path)
    path = tmp_path / "journal" / "qdrant" / f"{journal.add(entry())}.json"
    path.write_text('{"from": "a newer version"}')

    with pytest.raises(SourceError, match=path.name):
        journal.read()
    assert path.exists()


def test_a_state_directory_that_is_a_file_is_an_error_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")

    with pytest.raises(SourceError, match="ONYX_STATE_DIR"):
        SnapshotJournal(tmp_path).add(entry())


def test_any_name_of_a_collection_can_be_written_down(tmp_path: Path) -> None:
    journal = SnapshotJournal(tmp_path)
    name = "ü/..\\ \n'\"" + "x" * 250

    slot = journal.add(entry(collection=name))

    assert journal.read()[slot].collection == name
