"""The copies are compared with the trail, and are good without it."""

from __future__ import annotations

import shutil

import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.audit.copying import copy_audit
from onyx_pipelines.audit.records import Phase
from onyx_pipelines.audit.verification import Verdict, verify_copies, verify_trail
from onyx_pipelines_tests.audit.places import Place, copied, place, rewrite
from onyx_pipelines_tests.audit.trails import event
from onyx_pipelines_tests.vault.sets import signers, signing_key

__all__ = ["copied", "place"]


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
