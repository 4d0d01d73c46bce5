"""What the asset checks of monitoring say: a verdict and a sentence of each promise. Pure.

A sentence has no figure that is another one each time: whoever is told of news hears of it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from onyx_pipelines.core.text import latency_text, limit_text, list_text, percent_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.monitoring.coverage import INTERVAL_S, Scraping
from onyx_pipelines.monitoring.endpoint_latency import OBJECTIVE_S, EndpointLatency, slow
from onyx_pipelines.monitoring.report.availability import availability_text, budget_text
from onyx_pipelines.monitoring.service_days import (
    DAY_S,
    Budget,
    StackDay,
    State,
    day_verdict,
)

Said = tuple[Verdict, str]


def _all(services: Sequence[Scraping], holds: Callable[[Scraping], bool], well: str) -> Said:
    broken = [each for each in services if not holds(each)]
    if not broken:
        return Verdict.PASSED, well
    down = [each.problem for each in broken if not each.is_up]
    others = [each.service for each in broken if each.is_up]
    named = [f"Not of {list_text(others)}."] if others else []
    return Verdict.FAILED, " ".join([*down, *named])


# AC9.1.1.
OF_COVERAGE: Final[Mapping[str, tuple[str, Callable[[Sequence[Scraping]], Said]]]] = {
    "six_services_are_scraped": (
        "Suna, Onyx, Qdrant, PostgreSQL, Redis and LiteLLM answer Prometheus (AC9.1.1).",
        lambda found: _all(found, lambda each: each.is_up, f"All {len(found)} are up."),
    ),
    "scraped_every_15_seconds": (
        "Each of them is scraped at least every 15 seconds (AC9.1.1).",
        lambda found: _all(
            found, lambda each: each.is_frequent, f"Every {limit_text(INTERVAL_S)}, or more often."
        ),
    ),
    "scrapes_are_recent": (
        "The last scrape of each is not older than three intervals.",
        lambda found: _all(found, lambda each: each.is_recent, "None is late."),
    ),
}


def quick_answer(latencies: Sequence[EndpointLatency], *, ours: bool) -> Said:
    """Of our endpoints, or of others' (AC9.1.3). Of too few scrapes nothing is known."""
    asked = [each for each in latencies if each.is_ours is ours]
    late = slow(latencies, ours=ours)
    if late:
        named = sorted({each.job for each in late})
        limit = latency_text(1000 * OBJECTIVE_S)
        return Verdict.FAILED, f"p95 above {limit}: {list_text(named)}."
    known = [each for each in asked if each.is_known]
    if not asked or len(known) < len(asked):
        few = [each.job for each in asked if not each.is_known]
        said = f"Too few scrapes of {list_text(few)}." if few else "None of them answered."
        return Verdict.COULD_NOT_VERIFY, said
    slowest = max(each.p95_s for each in known)
    return Verdict.PASSED, f"The slowest p95 is {latency_text(1000 * slowest)}."


def objective_answer(day: StackDay, objective: float) -> Said:
    """Whether every service was up for as long as it should on the day (99.5 %)."""
    verdicts = {each: day_verdict(each, objective) for each in day.services}
    verdict = worst(verdicts.values())
    if verdict is Verdict.PASSED:
        return verdict, f"Each was up for at least {percent_text(objective, 1)}."
    named = [
        f"{each.service} {availability_text(each)}"
        f" ({percent_text(each.seconds(State.UNKNOWN) / DAY_S, 1)} of the day unknown)"
        for each, found in verdicts.items()
        if found is verdict
    ]
    return verdict, f"{list_text(named)}."


def budget_answer(budgets: Sequence[Budget]) -> Said:
    """Whether any error budget is overdrawn."""
    verdict = worst(each.verdict for each in budgets)
    if verdict is Verdict.PASSED:
        least = min(budgets, key=lambda each: each.left)
        return verdict, f"The least is left of {least.service}: {budget_text(least)}."
    if not budgets:
        return verdict, "No day is known."
    named = list_text([each.service for each in budgets if each.verdict is verdict])
    said = "Overdrawn" if verdict is Verdict.FAILED else "Too much of the time is not known"
    return verdict, f"{said}: {named}."
