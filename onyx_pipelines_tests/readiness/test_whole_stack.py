"""The stack's health with what readiness says: incidents that wait, game days, a launch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.health.verdict import Area, Condition
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.deciding import acknowledged, closed, opened_by_hand
from onyx_pipelines.readiness.incidents.record import Incident
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.standing import keep_review
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook
from onyx_pipelines.readiness.whole_stack import (
    ReadinessFacts,
    examine_whole,
    readiness,
    readiness_facts,
)
from onyx_pipelines_tests.readiness.launch.passing import review_of
from onyx_pipelines_tests.readiness.rehearsals.made_rehearsals import rehearsal

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
WELL = ReadinessFacts((), (Verdict.PASSED, "All passed."), 0, 0, NOW)


def incident(severity: Severity = Severity.CRITICAL) -> Incident:
    return opened_by_hand("20261127T090000Z-3f9a", "chat is down", severity, "Ada", NOW)


@pytest.mark.parametrize(
    ("facts", "condition", "action"),
    [
        (WELL, Condition.OK, ""),
        (ReadinessFacts(), Condition.NOT_WATCHED, ""),
        (replace(WELL, open_incidents=[incident()]), Condition.FAILING, "onyx incident list"),
        (
            replace(WELL, open_incidents=[acknowledged(incident(), "Ada", NOW)]),
            *(Condition.DEGRADED, "onyx incident list"),
        ),
        (
            replace(WELL, open_incidents=[incident(Severity.WARNING)]),
            *(Condition.DEGRADED, "onyx incident list"),
        ),
        (
            replace(WELL, rehearsed=(Verdict.COULD_NOT_VERIFY, "never rehearsed: one")),
            *(Condition.DEGRADED, "onyx rehearse --all"),
        ),
        (
            replace(WELL, rehearsed=(Verdict.FAILED, "one failed")),
            *(Condition.DEGRADED, "onyx rehearse --all"),
        ),
        (replace(WELL, blocking=3, failed=1), Condition.DEGRADED, "onyx launch check"),
    ],
)
def test_the_worst_decides_and_says_what_to_run(
    facts: ReadinessFacts, condition: Condition, action: str
) -> None:
    found = readiness(facts)

    assert (found.condition, found.action) == (condition, action)


def test_facts_are_those_of_the_hosts_records(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": tmp_path})
    assert readiness_facts(settings, NOW) == ReadinessFacts([], None)

    book = IncidentBook(tmp_path)
    book.change(lambda known: [incident()])
    RehearsalBook(tmp_path).add(rehearsal(recovered_s=None))
    keep_review(settings, review_of(checklist(), NOW))
    facts = readiness_facts(settings, NOW)
    assert [each.title for each in facts.open_incidents] == ["chat is down"]
    assert facts.rehearsed is not None
    assert facts.rehearsed[0] is Verdict.FAILED
    assert (facts.blocking, facts.looked_at) == (0, NOW)

    book.change(lambda known: [closed(known[0], "Ada", "it is up", NOW)])
    assert readiness_facts(settings, NOW).open_incidents == []


def test_a_review_that_cannot_be_read_is_not_known_and_hides_nothing_else(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": tmp_path})
    keep_review(settings, review_of(checklist(), NOW))
    (tmp_path / "launch" / "review.json").write_text("{")

    found = {each.area: each for each in examine_whole(settings).findings}

    assert list(found) == list(Area)
    assert found[Area.READINESS].condition is Condition.UNKNOWN
    assert "review.json" in found[Area.READINESS].details[0]
