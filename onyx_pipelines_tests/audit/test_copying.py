"""The copies: made once, never rewritten, whatever fails meanwhile."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.audit import copying
from onyx_pipelines.audit.chain import Line
from onyx_pipelines.audit.copying import copy_audit, copy_in_time, not_held
from onyx_pipelines.audit.records import make_record
from onyx_pipelines.audit.segments import Segment, list_segments
from onyx_pipelines.audit.verification import Verdict, verify_copies
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.pruning import prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines_tests.audit.places import Place, copied, place, rewrite
from onyx_pipelines_tests.audit.trails import event
from onyx_pipelines_tests.vault.sets import signers, signing_key, trust

__all__ = ["copied", "place"]


class TestCopying:
    def test_each_copy_is_one_more_object_and_no_object_changes(self, place: Place) -> None:
        place.record(1, 2)
        [first] = place.segments()
        before = first.stat().st_mtime_ns

        place.record(3)
        place.record()

        names = [path.name for path in place.segments()]
        assert names == ["0000000001-0000000002.jsonl", "0000000003-0000000003.jsonl"]
        assert first.stat().st_mtime_ns == before

    def test_what_a_store_missed_is_in_its_next_object(self, place: Place) -> None:
        place.record(1)
        hidden = (place.root / "offsite").rename(place.root / "unplugged")
        place.record(2)
        hidden.rename(place.root / "offsite")

        place.record(3)

        names = [path.name for path in place.segments()]
        assert names == ["0000000001-0000000001.jsonl", "0000000002-0000000003.jsonl"]
        assert place.verdict() is Verdict.INTACT

    def test_a_failure_is_seen_by_verify_until_a_copy_succeeds(self, place: Place) -> None:
        hidden = (place.root / "offsite").rename(place.root / "unplugged")
        place.record(1)
        hidden.rename(place.root / "offsite")
        failed = place.notices()

        place.record(2)

        assert "the last copy failed (offsite" in failed[0]
        assert place.notices() == []

    def test_a_store_that_hangs_holds_nothing_up_for_long(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release = threading.Event()
        monkeypatch.setattr(copying, "open_stores", lambda _: release.wait(30) and place.stores)
        place.trail.append(event(1))

        started = time.monotonic()
        copy_in_time(place.settings, patience_s=0.1)
        took_s = time.monotonic() - started
        release.set()

        assert took_s < 25
        assert any("within 0.1 s" in text for text in place.notices())

    def test_a_damaged_record_is_not_carried_into_the_stores(self, place: Place) -> None:
        for number in range(1, 6):
            place.trail.append(event(number))
        rewrite(place.trail.path, b"number 3", b"number 7")

        place.record()

        names = [path.name for path in place.segments()]
        assert names == ["0000000001-0000000002.jsonl", "0000000004-0000000005.jsonl"]

    def test_a_forged_sequence_number_does_not_keep_the_rest_from_being_copied(
        self, place: Place
    ) -> None:
        first, _ = place.trail.append(event(1)), place.trail.append(event(2))
        far = first.head.model_copy(update={"sequence": 9_999_999_998})
        forged = make_record(event(3), after=far, time=first.time)
        with place.trail.path.open("ab") as file:
            file.write(forged.line() + b"\n")

        place.record()

        assert place.segments()[0].name == "0000000001-0000000002.jsonl"

    def test_processes_that_copy_at_once_leave_copies_that_agree(self, place: Place) -> None:
        def operate(number: int) -> None:
            place.trail.append(event(number))
            copy_audit(place.trail, place.stores, signing_key())

        threads = [threading.Thread(target=operate, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert place.verdict() is Verdict.INTACT
        assert verify_copies(place.stores[1], signers()).trails[0].records == 8

    def test_neither_the_catalog_nor_pruning_sees_the_copies(self, copied: Place) -> None:
        before = copied.segments("local"), copied.segments()
        catalog = Catalog(copied.stores, trust())

        report = prune(
            catalog,
            RetentionPolicy(daily=1),
            now=datetime.now(UTC) + timedelta(days=4000),
            dry_run=False,
            state_dir=copied.root / "state",
            grace=timedelta(0),
        )

        assert (catalog.sets(), catalog.problems) == ([], ())
        assert (report.sets, report.leftovers, report.failures) == ((), (), ())
        assert (copied.segments("local"), copied.segments()) == before


@given(
    runs=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6)), max_size=8),
    numbers=st.sets(st.integers(1, 30)),
)
def test_what_is_copied_are_the_records_that_no_segment_holds_without_a_hole(
    runs: list[tuple[int, int]], numbers: set[int]
) -> None:
    segments = [Segment("h", "0" * 16, first, first + more) for first, more in runs]
    held = {number for each in segments for number in range(each.first, each.last + 1)}
    lines = {number: Line("", number, b"", ended=True, record=None) for number in numbers}

    copied = [[line.number for line in run] for _, run in not_held(lines, segments)]

    assert [number for run in copied for number in run] == sorted(numbers - held)
    assert all(run == list(range(run[0], run[0] + len(run))) for run in copied)


def test_objects_of_other_names_are_no_segments(place: Place) -> None:
    place.stores[0].put("audit/readme.txt", b"?")
    place.stores[0].put("audit/vps/trail/1-2.jsonl", b"?")

    assert list_segments(place.stores[0]) == []
