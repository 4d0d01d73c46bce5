"""The copies: made once, never rewritten, compared with the trail, and good without it."""

from __future__ import annotations

import shutil
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.audit import Trail, copying
from onyx_pipelines.audit.chain import Line, Severity
from onyx_pipelines.audit.copying import copy_audit, copy_in_time, not_held
from onyx_pipelines.audit.operation import audited
from onyx_pipelines.audit.records import Phase, make_record
from onyx_pipelines.audit.segments import (
    Segment,
    list_segments,
    open_segment,
    signed_segment,
)
from onyx_pipelines.audit.verification import (
    ACCEPT_ACTION,
    Verdict,
    to_accept,
    verify_copies,
    verify_trail,
)
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.pruning import prune
from onyx_pipelines.vault.public_keys import KeyList
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.signing import SIGNERS, Signers, SigningKey
from onyx_pipelines.vault.stores import LocalStore, Store
from onyx_pipelines_tests.audit.trails import ALICE, event
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import signers, signing_key, trust


class Place:
    """A trail, and two stores in directories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("local", "offsite"):
            (root / name).mkdir()
        self.trail = Trail(root / "state" / "audit", "vps.example")
        self.stores: tuple[Store, ...] = (
            LocalStore(root / "local", name="local"),
            LocalStore(root / "offsite", name="offsite"),
        )
        self.settings: Settings = load_settings(
            {
                "state_dir": root / "state",
                "backup_dir": root / "local",
                "offsite_url": f"file://{root / 'offsite'}",
                "host_name": "vps.example",
                "signing_key_file": trust().signing_key_file,
                "signers_file": root / "signers.json",
            }
        )
        KeyList(root / "signers.json", SIGNERS).save(signers().listed)

    def record(self, *numbers: int) -> None:
        """Records, copied together."""
        for number in numbers:
            self.trail.append(event(number))
        copy_audit(self.trail, self.stores, signing_key())

    def segments(self, store: str = "offsite") -> list[Path]:
        return sorted((self.root / store / "audit").rglob("*.jsonl"))

    def verdict(self) -> Verdict:
        return verify_trail(self.trail, self.stores, signers()).verdict

    def problems(self) -> list[str]:
        return [each.what for each in verify_trail(self.trail, self.stores, signers()).problems]

    def notices(self) -> list[str]:
        found = verify_trail(self.trail, self.stores, signers()).findings
        return [each.what for each in found if each.severity is Severity.NOTICE]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def copied(place: Place) -> Place:
    place.record(1, 2)
    place.record(3)
    place.record(4, 5)
    return place


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    plant(path, replaced(old, new, 1))


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


class TestComparing:
    def test_a_copied_trail_is_intact(self, copied: Place) -> None:
        verification = verify_trail(copied.trail, copied.stores, signers())

        assert (verification.verdict, verification.findings) == (Verdict.INTACT, ())
        states = [(s.place, s.records, s.pending) for s in verification.trails]
        assert states == [("this host", 5, 0), ("local", 5, 0), ("offsite", 5, 0)]

    def test_records_that_wait_for_their_copy_are_counted(self, copied: Place) -> None:
        copied.trail.append(event(6))

        verification = verify_trail(copied.trail, copied.stores, signers())

        assert verification.verdict is Verdict.INTACT
        assert [state.pending for state in verification.trails] == [0, 1, 1]

    def test_a_trail_made_anew_with_its_head_is_betrayed_by_the_copies(self, copied: Place) -> None:
        lines = copied.trail.path.read_bytes().splitlines(keepends=True)
        copied.trail.path.write_bytes(b"".join(lines[:3]))
        (copied.trail.folder / "head.json").unlink()
        copied.trail.append(event(40))
        copied.trail.append(event(50))

        found = verify_trail(copied.trail, copied.stores, signers()).problems

        assert [(each.where, each.line) for each in found] == [("trail.jsonl", 4)] * 2
        assert "record 4 here and in the offsite store differ" in found[1].what
        assert found[1].what.endswith("; 1 more are not alike")

    def test_an_end_that_was_cut_off_with_its_head_is_betrayed_by_the_copies(
        self, copied: Place
    ) -> None:
        lines = copied.trail.path.read_bytes().splitlines(keepends=True)
        copied.trail.path.write_bytes(b"".join(lines[:3]))
        (copied.trail.folder / "head.json").unlink()

        head, *copies = copied.problems()
        assert "the head file is missing" in head
        assert ["record 4 of the" in each for each in copies] == [True, True]

    def test_a_trail_that_was_wiped_is_betrayed_by_the_copies(self, copied: Place) -> None:
        shutil.rmtree(copied.trail.folder)

        assert ["another trail of this host" in each for each in copied.problems()] == [True, True]

    def test_an_edited_copy_is_named(self, copied: Place) -> None:
        rewrite(copied.segments()[1], b"number 3", b"number 7")

        found = verify_trail(copied.trail, copied.stores, signers()).problems

        places = {(each.where.rsplit("/", 1)[-1], each.line) for each in found}
        assert ("0000000003-0000000003.jsonl", 1) in places

    def test_a_deleted_segment_is_a_problem_until_the_next_copy_heals_it(
        self, copied: Place
    ) -> None:
        copied.segments()[1].unlink()
        found = copied.problems()

        copied.record(6)

        assert found == ["this is record 4, where record 3 belongs"]
        assert copied.verdict() is Verdict.INTACT

    def test_a_segment_under_a_wrong_name_is_a_problem(self, copied: Place) -> None:
        segment = copied.segments()[2]
        segment.rename(segment.with_name("0000000004-0000000009.jsonl"))

        misnamed, unsigned = copied.problems()
        assert "does not hold the records that its name says" in misnamed
        assert "not signed by test host" in unsigned

    def test_a_store_that_cannot_be_asked_is_no_yes(self, copied: Place) -> None:
        (copied.root / "offsite").rename(copied.root / "unplugged")

        verification = verify_trail(copied.trail, copied.stores, signers())

        assert verification.verdict is Verdict.INCOMPLETE
        assert list(verification.unasked) == ["offsite"]

    def test_an_operation_without_an_end_is_a_notice(self, place: Place) -> None:
        place.trail.append(event(1, phase=Phase.BEGIN, action="restore"))
        place.record()

        assert place.verdict() is Verdict.INTACT
        assert "restore of alice has no end" in place.notices()[0]


class TestOfALostHost:
    def test_the_copies_alone_show_the_trail_whole(self, copied: Place) -> None:
        shutil.rmtree(copied.root / "state")
        shutil.rmtree(copied.root / "local")

        verification = verify_copies(copied.stores[1], signers())

        [state] = verification.trails
        assert verification.verdict is Verdict.INTACT
        assert (state.host, state.records) == ("vps.example", 5)

    @pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
    def test_any_edited_record_is_located(self, copied: Place, number: int) -> None:
        text = b"number %d" % number
        [segment, *others] = [path for path in copied.segments() if text in path.read_bytes()]
        for path in (segment, *others):
            rewrite(path, text, b"number 9")

        found = verify_copies(copied.stores[1], signers()).problems

        assert {each.sequence for each in found if "as it was written" in each.what} == {number}

    def test_a_missing_segment_is_located(self, copied: Place) -> None:
        copied.segments()[1].unlink()

        [finding] = verify_copies(copied.stores[1], signers()).problems

        assert (finding.what, finding.sequence) == ("this is record 4, where record 3 belongs", 3)

    def test_trails_of_several_hosts_are_told_apart(self, copied: Place) -> None:
        other = Trail(copied.root / "other" / "audit", "second host/ü")
        other.append(event(1))
        copy_audit(other, copied.stores, signing_key())

        verification = verify_copies(copied.stores[1], signers())

        assert [state.host for state in verification.trails] == ["second_host__", "vps.example"]
        assert verification.verdict is Verdict.INTACT


class TestSignatures:
    def forge(self, place: Place, key: SigningKey | None) -> None:
        """The last segment of the second store anew: consistent, by whoever can write there."""
        (path,) = place.segments()[-1:]
        (segment,) = [s for s in list_segments(place.stores[1]) if s.key.endswith(path.name)]
        read = open_segment(segment, path.read_bytes(), signers())
        lines = b"".join(line.data + b"\n" for line in read.lines)
        path.write_bytes(signed_segment(segment, lines, key))

    def findings(self, place: Place) -> list[tuple[Severity, int | None]]:
        found = verify_copies(place.stores[1], signers()).findings
        return [(each.severity, each.sequence) for each in found]

    def test_copies_of_this_host_hold(self, copied: Place) -> None:
        assert self.findings(copied) == []

    def test_a_copy_without_a_signature_among_signed_ones_is_a_problem(self, copied: Place) -> None:
        self.forge(copied, None)

        assert [severity for severity, _ in self.findings(copied)] == [Severity.PROBLEM]

    def test_a_copy_that_a_stranger_signed_is_a_problem(self, copied: Place) -> None:
        self.forge(copied, signing_key("a stranger"))

        (finding,) = verify_copies(copied.stores[1], signers()).problems
        assert "'a stranger'" in finding.what
        assert finding.where.endswith(".jsonl")

    def test_a_copy_from_before_there_were_signatures_is_a_notice(self, place: Place) -> None:
        place.trail.append(event(1))
        copy_audit(place.trail, place.stores, None)
        place.record(2)

        assert self.findings(place) == [(Severity.NOTICE, 1)]
        assert place.verdict() is Verdict.INTACT

    def test_a_copy_of_another_host_does_not_hold_here(self, copied: Place) -> None:
        path = copied.segments()[0]
        there = path.parents[1].with_name("other.example") / path.parent.name / path.name
        there.parent.mkdir(parents=True)
        shutil.copy(path, there)

        problems = verify_copies(copied.stores[1], signers()).problems

        assert [each.where.split("/")[1] for each in problems] == ["other.example"]

    def test_a_signature_that_cannot_be_read_is_a_problem(self, copied: Place) -> None:
        plant(copied.segments()[-1], replaced(b'"signer_id"', b'"signer_no"'))

        assert [severity for severity, _ in self.findings(copied)] == [Severity.PROBLEM]

    def test_where_nobody_is_known_it_can_only_be_noticed(self, copied: Place) -> None:
        found = verify_copies(copied.stores[1], Signers()).findings

        assert {each.severity for each in found} == {Severity.NOTICE}

    def test_a_key_that_is_no_good_keeps_nothing_from_being_copied(self, place: Place) -> None:
        place.trail.append(event(1))
        (place.root / "bad").write_text("no key")
        settings = place.settings.model_copy(update={"signing_key_file": place.root / "bad"})

        copy_in_time(settings)

        assert [severity for severity, _ in self.findings(place)] == [Severity.NOTICE]


class TestAccepting:
    def begin_anew(self, place: Place) -> str:
        """The state directory is lost; the id of the trail that was in it."""
        trail_id = next(iter(place.trail.records())).trail
        shutil.rmtree(place.trail.folder)
        place.record(1)
        return trail_id

    def accept(self, place: Place, trail_id: str) -> None:
        accepted = to_accept(place.trail, place.stores, trail_id, "new disk")
        parameters = accepted.model_dump()
        with audited(place.settings, action=ACCEPT_ACTION, origin=ALICE, parameters=parameters):
            pass

    def test_an_accepted_trail_is_a_notice(self, copied: Place) -> None:
        trail_id = self.begin_anew(copied)
        before = copied.verdict()

        self.accept(copied, trail_id)

        assert (before, copied.verdict()) == (Verdict.DAMAGED, Verdict.INTACT)
        assert len([text for text in copied.notices() if trail_id in text]) == 2

    def test_records_that_it_gets_later_were_not_accepted(self, copied: Place) -> None:
        shutil.copytree(copied.trail.folder, copied.root / "elsewhere" / "audit")
        trail_id = self.begin_anew(copied)
        self.accept(copied, trail_id)

        still_used = Trail(copied.root / "elsewhere" / "audit", "vps.example")
        still_used.append(event(6))
        copy_audit(still_used, copied.stores, signing_key())

        assert copied.verdict() is Verdict.DAMAGED

    def test_an_unknown_trail_cannot_be_accepted(self, copied: Place) -> None:
        with pytest.raises(NotFoundError, match="No store has a trail"):
            to_accept(copied.trail, copied.stores, "0" * 16, "why")


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
