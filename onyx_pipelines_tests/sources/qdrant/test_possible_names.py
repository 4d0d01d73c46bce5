"""Which snapshots an unanswered request may have made: too few rather than one of somebody else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.sources.qdrant.journal import JournalEntry
from onyx_pipelines.sources.qdrant.snapshots import possible_names

NOON = datetime(2026, 3, 29, 12, 0, 0, tzinfo=UTC).timestamp()


def entry(collection: str = "documents", *present: str) -> JournalEntry:
    return JournalEntry(
        url="http://qdrant:6333",
        collection=collection,
        present=present,
        requested_at=NOON,
        clock_slack_s=5,
    )


def name_of(collection: str, offset_s: float, peer: int = 8374654734) -> str:
    made = datetime.fromtimestamp(NOON + offset_s, UTC)
    return f"{collection}-{peer}-{made:%Y-%m-%d-%H-%M-%S}.snapshot"


@pytest.mark.parametrize("offset_s", [-5, 0, 3, 65])
def test_one_from_about_the_time_of_the_request_may_be_ours(offset_s: float) -> None:
    name = name_of("documents", offset_s)

    assert possible_names(entry(), [name]) == [name]


@pytest.mark.parametrize("offset_s", [-3600, -6, 66, 86400])
def test_one_from_another_time_is_not_ours(offset_s: float) -> None:
    assert possible_names(entry(), [name_of("documents", offset_s)]) == []


def test_one_that_stood_there_before_is_not_ours() -> None:
    name = name_of("documents", 1)

    assert possible_names(entry("documents", name), [name]) == []


@pytest.mark.parametrize(
    "name",
    [
        name_of("other", 1),
        name_of("documents-2", 1),
        "documents.snapshot",
        "documents-shard-0-2026-03-29-12-00-00.snapshot",
        "full-snapshot-2026-03-29-12-00-00.snapshot",
        "documents-1-2026-13-29-12-00-00.snapshot",
        "upload.snapshot",
        name_of("documents", 1) + ".checksum",
    ],
)
def test_a_name_that_the_server_gives_no_snapshot_of_this_collection_is_not_ours(name: str) -> None:
    assert possible_names(entry(), [name]) == []


def test_several_are_all_named() -> None:
    names = [name_of("documents", 1), name_of("documents", 2)]

    assert possible_names(entry(), reversed(names)) == names


def test_a_collection_name_is_no_pattern() -> None:
    assert possible_names(entry("docu.*"), [name_of("documents", 1)]) == []
    assert possible_names(entry("a+(b)"), [name_of("a+(b)", 1)]) == [name_of("a+(b)", 1)]


@settings(max_examples=200, deadline=None)
@given(collection=st.text(min_size=1, max_size=20), offset_s=st.integers(0, 60))
def test_ours_is_found_whatever_the_collection_is_called(collection: str, offset_s: int) -> None:
    ours = name_of(collection, offset_s)

    assert possible_names(entry(collection, "foreign.snapshot"), ["foreign.snapshot", ours]) == [
        ours
    ]
