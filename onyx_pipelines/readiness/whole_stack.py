"""How the whole stack is: what its parts say (`health`), and whether people are ready: incidents
that wait, game days, what blocks a launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.health import areas
from onyx_pipelines.health.areas import Problem
from onyx_pipelines.health.examining import examine
from onyx_pipelines.health.verdict import Area, Condition, Finding, StackHealth
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.record import Incident
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.judging.judge import judge_again
from onyx_pipelines.readiness.launch.standing import kept_review
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook, newest_of_each
from onyx_pipelines.readiness.rehearsals.promises import rehearsed_answer
from onyx_pipelines.vault.catalog import Scan


@dataclass(frozen=True)
class ReadinessFacts:
    """Args:
    open_incidents: those of this moment.
    rehearsed: what the last game days prove; None: there was none, and none is asked for.
    blocking: items of the launch checklist that have not passed; None: nobody has looked at it.
    failed: how many of them have failed; the others could not be verified.
    looked_at: when that was.
    """

    open_incidents: Sequence[Incident] = ()
    rehearsed: tuple[Verdict, str] | None = None
    blocking: int | None = None
    failed: int = 0
    looked_at: datetime | None = None


def examine_whole(
    settings: Settings, scan: Callable[[], Scan] | None = None, now: datetime | None = None
) -> StackHealth:
    """Of this host's stack. Raises nothing that is only a part's trouble.

    Args:
        scan: gives what the stores hold; None: they are asked.
    """
    now = now or datetime.now(UTC)
    found = examine(settings, scan, now)
    try:
        own = readiness(readiness_facts(settings, now))
    except OnyxError as error:
        said = "Records of readiness cannot be read."
        own = areas.not_known(Area.READINESS, said, details=str(error), action="onyx launch check")
    others = (each for each in found.findings if each.area is not Area.READINESS)
    return replace(found, findings=(*others, own))


def readiness_facts(settings: Settings, now: datetime) -> ReadinessFacts:
    """From this host's records.

    Raises:
        OnyxError: one of them cannot be read.
    """
    incidents = [each for each in IncidentBook(settings.state_dir).all() if each.is_open]
    newest = newest_of_each(RehearsalBook(settings.state_dir).all())
    rehearsed = None
    if newest or settings.rehearsals:
        max_age = timedelta(days=settings.rehearsal_max_age_days)
        rehearsed = rehearsed_answer(newest, now, max_age)
    review = kept_review(settings)
    if review is None:
        return ReadinessFacts(incidents, rehearsed)
    asked = checklist(settings.alert_thresholds)
    blockers = judge_again(review, asked, now).blockers(asked)
    failed = sum(result.verdict is Verdict.FAILED for _, result in blockers)
    return ReadinessFacts(incidents, rehearsed, len(blockers), failed, review.at)


def readiness(facts: ReadinessFacts) -> Finding:
    """What could not be verified of a launch, or was never rehearsed, is not a yes: degraded."""
    if not facts.open_incidents and facts.rehearsed is None and facts.blocking is None:
        return areas.not_watched(
            Area.READINESS, "game day, and nobody has looked at the launch checklist"
        )
    problems = []
    waiting = [each for each in facts.open_incidents if each.urgent_since and not each.acknowledged]
    if waiting:
        count = count_text(len(waiting), "critical incident")
        said = f"Nobody has acknowledged {count}."
        problems.append(Problem(Condition.FAILING, said, "onyx incident list"))
    elif facts.open_incidents:
        said = f"Open: {count_text(len(facts.open_incidents), 'incident')}."
        problems.append(Problem(Condition.DEGRADED, said, "onyx incident list"))
    if facts.rehearsed and facts.rehearsed[0] is not Verdict.PASSED:
        said = "Not every playbook has passed its last game day in time."
        details = (facts.rehearsed[1],)
        problems.append(Problem(Condition.DEGRADED, said, "onyx rehearse --all", details))
    if facts.blocking:
        count = count_text(facts.blocking, "item")
        said = f"{count} of the launch checklist not passed, of which failed: {facts.failed}."
        problems.append(Problem(Condition.DEGRADED, said, "onyx launch check"))
    fine = "No incident is open, and what was rehearsed and looked at has passed."
    return areas.found(Area.READINESS, problems, facts.looked_at, fine)
