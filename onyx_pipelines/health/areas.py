"""What the facts of each area say of it. Pure: facts in, a finding out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onyx_pipelines.core.text import count_text, duration_text, limit_text, list_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.health.verdict import RANK, Area, Condition, Finding
from onyx_pipelines.load_test.results import LoadVerdict
from onyx_pipelines.monitoring.coverage import Scraping
from onyx_pipelines.monitoring.prometheus import Firing
from onyx_pipelines.monitoring.rules.rule import Severity

# They speak of the whole: what this module says must not follow from itself.
OWN_ALERTS: Final = "Stack"
WATCHDOG: Final = "Watchdog"
_RENDER: Final = "onyx monitoring render --to DIR"


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be."""

    condition: Condition
    summary: str
    action: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackupFacts:
    """Args:
    newest: recovery point of the newest set that is not dated ahead; None: there is none.
    lacks: components that it should have and has not.
    doubts: sentences of its manifest.
    damaged, untrusted: sets, in every store.
    behind: how long sets have waited for the copy that is most behind; None: no second store.
    verified_at: when a set was last read back and found whole.
    """

    newest: datetime | None
    lacks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    damaged: int = 0
    untrusted: int = 0
    behind: timedelta | None = None
    verified_at: datetime | None = None


@dataclass(frozen=True)
class DrillFacts:
    """`failed_at`: of the newest drill, where that failed."""

    passed_at: datetime | None
    failed_at: datetime | None = None


@dataclass(frozen=True)
class LoadFacts:
    """Of the newest load test."""

    verdict: LoadVerdict
    finished_at: datetime
    regressed: int = 0


@dataclass(frozen=True)
class ErrorFacts:
    """What the checks of errors say.

    Args:
        rate: of the last hour; None: Prometheus could not be asked.
        delivery_is_late: events have waited for the tracker for longer than its restart takes.
        digest: whether the newest day's was sent; None: no tracker is asked for any.
        digest_at: the end of that day.
    """

    rate: tuple[Verdict, str] | None
    delivery_is_late: bool = False
    digest: tuple[Verdict, str] | None = None
    digest_at: datetime | None = None


def backups(
    facts: BackupFacts, now: datetime, *, max_age: timedelta, verified: timedelta
) -> Finding:
    """Args:
    max_age: of the newest set, and of what waits for its copy.
    verified: for how long a set that was read back proves the others.
    """
    problems = []
    if facts.newest is None:
        problems.append(Problem(Condition.FAILING, "There is no backup.", "onyx backup run"))
    elif now - facts.newest > max_age:
        said = f"The newest backup is {_age(facts.newest, now)} old, of at most {_limit(max_age)}."
        problems.append(Problem(Condition.FAILING, said, "onyx backup run"))
    if facts.untrusted:
        said = f"{count_text(facts.untrusted, 'set')} in a store: signed by nobody who counts."
        problems.append(Problem(Condition.FAILING, said, "onyx keys signers found"))
    if facts.damaged:
        said = f"{count_text(facts.damaged, 'copy', 'copies')} of sets damaged."
        problems.append(Problem(Condition.FAILING, said, "onyx catalog list"))
    if facts.behind is None:
        said = "There is no second store: what takes this host takes the backups."
        problems.append(Problem(Condition.DEGRADED, said, "onyx doctor"))
    elif facts.behind > max_age:
        said = f"A set has waited for its second copy for {_span(facts.behind)}."
        problems.append(Problem(Condition.FAILING, said, "onyx doctor"))
    if facts.lacks:
        said = "The newest backup lacks components that were left out."
        details = (f"It lacks {list_text(facts.lacks)}.",)
        problems.append(Problem(Condition.DEGRADED, said, "onyx backup run", details))
    if facts.doubts:
        said = "The newest backup is less than those before it."
        problems.append(Problem(Condition.DEGRADED, said, "onyx catalog list", facts.doubts))
    if facts.newest and (facts.verified_at is None or now - facts.verified_at > verified):
        said = f"No set has been read back for {_limit(verified)}."
        problems.append(Problem(Condition.DEGRADED, said, "onyx verify latest"))
    fine = f"The newest is {_age(facts.newest, now)} old." if facts.newest else ""
    return found(Area.BACKUPS, problems, facts.newest, fine)


def drills(facts: DrillFacts, now: datetime, *, max_age: timedelta) -> Finding:
    """Args:
    max_age: for how long a drill that passed proves anything.
    """
    problems, passed = [], facts.passed_at
    if facts.failed_at is not None:
        problems.append(
            Problem(Condition.FAILING, "The newest restore drill failed.", "onyx drill")
        )
    if passed is None:
        problems.append(
            Problem(Condition.FAILING, "No restore drill has passed yet.", "onyx drill")
        )
    elif now - passed > max_age:
        said = (
            f"The last restore drill passed {_age(passed, now)} ago, of at most {_limit(max_age)}."
        )
        problems.append(Problem(Condition.FAILING, said, "onyx drill"))
    fine = f"The last one passed {_age(passed, now)} ago." if passed else ""
    return found(Area.DRILLS, problems, facts.failed_at or passed, fine)


def load_tests(
    facts: LoadFacts | None, now: datetime, *, target: str, max_age: timedelta
) -> Finding:
    """Args:
    target: what load tests send to; empty: nothing is configured.
    max_age: an older one says nothing.
    """
    run = "onyx load-test run" if target else "onyx config check  # ONYX_LOAD_TEST_URL is not set"
    if facts is None:
        return found(
            Area.LOAD_TESTS, [Problem(Condition.UNKNOWN, "No load test was run yet.", run)], None
        )
    problems = []
    if facts.verdict is LoadVerdict.FAILED:
        said = "The last load test missed an objective."
        problems.append(Problem(Condition.DEGRADED, said, "onyx load-test report"))
    elif facts.verdict is not LoadVerdict.PASSED:
        said = f"The last load test proves nothing: it is {facts.verdict}."
        problems.append(Problem(Condition.UNKNOWN, said, run))
    if facts.regressed:
        said = f"{count_text(facts.regressed, 'figure')} slower than the baseline."
        problems.append(Problem(Condition.DEGRADED, said, "onyx load-test report"))
    if now - facts.finished_at > max_age:
        said = f"The last load test is {_age(facts.finished_at, now)} old."
        problems.append(Problem(Condition.UNKNOWN, said, run))
    fine = f"The last one passed {_age(facts.finished_at, now)} ago."
    return found(Area.LOAD_TESTS, problems, facts.finished_at, fine)


def scraping(services: Sequence[Scraping], now: datetime) -> Finding:
    """Of each service that must be scraped."""
    down = [each for each in services if not each.is_up]
    odd = [each for each in services if each.is_up and each.problem]
    problems = []
    if down:
        said = f"{len(down)} of {count_text(len(services), 'service')} not scraped."
        details = tuple(each.problem for each in down)
        action = f"docker compose logs --tail 50 {down[0].service}"
        problems.append(Problem(Condition.FAILING, said, action, details))
    if odd:
        said = f"{len(odd)} of {count_text(len(services), 'service')} not scraped as specified."
        details = tuple(each.problem for each in odd)
        problems.append(
            Problem(Condition.DEGRADED, said, "onyx monitoring render --to DIR", details)
        )
    ages = [each.age_s for each in services if each.age_s is not None]
    at = now - timedelta(seconds=max(ages)) if ages else None
    return found(Area.SCRAPING, problems, at, f"All {len(services)} services are scraped.")


def alerts(fired: Sequence[Firing], now: datetime) -> Finding:
    """Of those that fire; our own on the whole stack are not among them."""
    firing = [each for each in fired if not each.is_pending]
    others = [
        each for each in firing if each.name != WATCHDOG and not each.name.startswith(OWN_ALERTS)
    ]
    problems = []
    for severity, condition in (
        (Severity.CRITICAL, Condition.FAILING),
        (Severity.WARNING, Condition.DEGRADED),
    ):
        named = sorted({each.name for each in others if each.severity == severity})
        if named:
            said = f"{count_text(len(named), f'{severity} alert')}: {list_text(named)}."
            details = tuple(
                f"{each.name}, for {duration_text((now - each.since).total_seconds())}:"
                f" {each.summary}"
                for each in others
                if each.severity == severity
            )
            action = f"amtool alert query alertname={named[0]}"
            problems.append(Problem(condition, said, action, details))
    if not any(each.name == WATCHDOG for each in firing):
        said = "Prometheus evaluates none of our rules: the alert that fires always does not."
        problems.append(Problem(Condition.UNKNOWN, said, _RENDER))
    return found(Area.ALERTS, problems, now, "None fires.")


def errors(facts: ErrorFacts) -> Finding:
    """That nobody asked anything is no fault of the stack."""
    problems = []
    if facts.rate is None:
        said = "The error rate is not known: Prometheus does not answer."
        problems.append(Problem(Condition.UNKNOWN, said, "onyx errors rate"))
    elif facts.rate[0] is Verdict.FAILED:
        said = "A service fails too many of its requests."
        problems.append(Problem(Condition.FAILING, said, "onyx errors rate", (facts.rate[1],)))
    if facts.delivery_is_late:
        said = "Errors do not reach the tracker: they wait on this host."
        problems.append(Problem(Condition.DEGRADED, said, "onyx errors digest --dry-run"))
    if facts.digest and facts.digest[0] is not Verdict.PASSED:
        said = "The last daily digest has not reached everybody."
        problems.append(Problem(Condition.DEGRADED, said, "onyx errors digest", (facts.digest[1],)))
    fine = "The error rate is within its objective, errors arrive, the digest was sent."
    return found(Area.ERRORS, problems, facts.digest_at, fine)


def not_watched(area: Area, what: str) -> Finding:
    """`what`: would look at it, and is not there yet."""
    return Finding(area, Condition.NOT_WATCHED, f"Not watched yet: there is no {what}.")


def not_known(area: Area, summary: str, *, details: str = "", action: str = "") -> Finding:
    """Something could not be asked."""
    return Finding(area, Condition.UNKNOWN, summary, None, tuple(filter(None, [details])), action)


def found(area: Area, problems: Sequence[Problem], at: datetime | None, fine: str = "") -> Finding:
    """The worst of the problems first, the others as its details."""
    if not problems:
        return Finding(area, Condition.OK, fine, at)
    worst, *others = sorted(problems, key=lambda each: -RANK[each.condition])
    details = (*worst.details, *(line for each in others for line in (each.summary, *each.details)))
    return Finding(area, worst.condition, worst.summary, at, details, worst.action)


def _age(moment: datetime, now: datetime) -> str:
    return _span(now - moment)


def _span(span: timedelta) -> str:
    return duration_text(max(0.0, span.total_seconds()))


def _limit(span: timedelta) -> str:
    return limit_text(span.total_seconds())
