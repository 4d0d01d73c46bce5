"""A trail that ended otherwise than it should, and that a person accepts."""

from __future__ import annotations

import shutil

import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.audit.copying import copy_audit
from onyx_pipelines.audit.operation import audited
from onyx_pipelines.audit.verification import ACCEPT_ACTION, Verdict, to_accept
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines_tests.audit.places import Place, copied, place
from onyx_pipelines_tests.audit.trails import ALICE, event
from onyx_pipelines_tests.vault.sets import signing_key

__all__ = ["copied", "place"]


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
