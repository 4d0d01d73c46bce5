"""Who signed a copy, and who may have."""

from __future__ import annotations

import shutil

from onyx_pipelines.audit.chain import Severity
from onyx_pipelines.audit.copying import copy_audit, copy_in_time
from onyx_pipelines.audit.segments import list_segments, open_segment, signed_segment
from onyx_pipelines.audit.verification import Verdict, verify_copies
from onyx_pipelines.vault.signing import Signers, SigningKey
from onyx_pipelines_tests.audit.places import Place, copied, place
from onyx_pipelines_tests.audit.trails import event
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import signers, signing_key

__all__ = ["copied", "place"]


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
