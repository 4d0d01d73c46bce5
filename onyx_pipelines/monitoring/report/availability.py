"""A day's availability as a page, and the days before it, read from the pages that they left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from onyx_pipelines.core.names import Asset
from onyx_pipelines.core.text import NOT_KNOWN, duration_text, percent_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.monitoring.service_days import (
    BUDGET_DAYS,
    DAY_S,
    Budget,
    ServiceDay,
    Span,
    StackDay,
    State,
    day_verdict,
)
from onyx_pipelines.reporting.palette import badge
from onyx_pipelines.reporting.publish import (
    Published,
    point_latest_at_newest,
    publish,
    read_results,
)
from onyx_pipelines.reporting.tables import Cell, Mark, Table, plain_table
from onyx_pipelines.reporting.ticks import Tick

FOLDER: Final = "service-availability"
_RESULT_FILE: Final = "availability.json"
_REMEDY: Final = "Launch `service_availability` for that day again."
_BADGES: Final = {
    Verdict.PASSED: badge("passed", "kept"),
    Verdict.FAILED: badge("failed", "missed"),
    Verdict.COULD_NOT_VERIFY: badge("could-not-verify", "not known"),
}
# State → colour and words.
STATES: Final = {
    State.UP: ("passed", "up"),
    State.DOWN: ("failed", "down"),
    State.UNKNOWN: ("line", "nobody knows"),
}


def read_days(reports_dir: Path) -> list[StackDay]:
    """Every day that left a page, oldest first; one that cannot be read is logged and left out.

    Raises:
        ReportError: the directory exists but cannot be listed.
    """
    found, _ = read_results(reports_dir / FOLDER, _RESULT_FILE, StackDay.model_validate_json)
    return sorted(found, key=lambda each: each.day)


def write_day(
    day: StackDay,
    budgets: Sequence[Budget],
    objective: float,
    reports_dir: Path,
    *,
    stack: str = "",
) -> Published:
    """Write `reports_dir/service-availability/<day>/`, over an earlier page of the day.

    Args:
        stack: whose services they are; "": it has no name.

    Raises:
        ReportError: nothing was written, or (a day written again) not everything.
    """
    published = publish(
        reports_dir / FOLDER / day.day.isoformat(),
        day_page(day, budgets, objective, stack=stack),
        _RESULT_FILE,
        day.model_dump_json(indent=1),
        remedy=_REMEDY,
    )
    point_latest_at_newest(reports_dir / FOLDER)
    return published


def day_page(day: StackDay, budgets: Sequence[Budget], objective: float, *, stack: str = "") -> str:
    """The whole page."""
    from onyx_pipelines.reporting.pages import render

    verdict = worst(day_verdict(each, objective) for each in day.services)
    return render(
        "availability",
        stack=stack,
        title=f"Availability on {day.day}",
        subtitle=f"Availability of the services on {day.day} (UTC)",
        verdict=_BADGES[verdict],
        headline=_headline(day, objective),
        states=STATES,
        day=_spans_table(day),
        shown=availability_table(day, budgets, objective),
        command="dagster asset materialize -m onyx_pipelines.definitions"
        f" --select {Asset.AVAILABILITY} --partition {day.day}",
        reproduction=[("day", day.day.isoformat()), ("objective", percent_text(objective, 1))],
    )


def availability_table(day: StackDay, budgets: Sequence[Budget], objective: float) -> Table:
    """A row for each service."""
    left = {each.service: each for each in budgets}
    return plain_table(
        (
            ("Service", "name"),
            (f"{percent_text(objective, 1)} of the day", ""),
            ("Available", "number"),
            ("Down", "number"),
            ("Nobody knows", "number"),
            (f"Error budget left, {BUDGET_DAYS} days", ""),
        ),
        [
            (
                each.service,
                Cell(badge=_BADGES[day_verdict(each, objective)]),
                availability_text(each),
                duration_text(each.seconds(State.DOWN)),
                duration_text(each.seconds(State.UNKNOWN)),
                budget_text(left.get(each.service)),
            )
            for each in day.services
        ],
    )


def _spans_table(day: StackDay) -> Table:
    """When each service was up, down, or known to nobody."""

    def mark(span: Span) -> Mark:
        role, words = STATES[span.state]
        title = f"{words} for {duration_text(span.length_s)}"
        return Mark("bar", role, 100 * span.begin_s / DAY_S, 100 * span.length_s / DAY_S, title)

    rows = [
        (each.service, Cell(marks=tuple(map(mark, each.spans))), availability_text(each))
        for each in day.services
    ]
    return Table(
        [("Service", "name"), ("When", "track"), ("Available", "took")],
        [("", rows)],
        ticks=[Tick(100 * hour / 24, f"{hour:02d}:00") for hour in range(0, 25, 6)],
    )


def availability_text(day: ServiceDay) -> str:
    """Of the time in which it is known."""
    return percent_text(day.availability, 2)


def budget_text(budget: Budget | None) -> str:
    """How much of it is left."""
    if budget is None:
        return NOT_KNOWN
    if budget.left < 0:
        return f"overdrawn by {duration_text(budget.down_s - budget.allowed_s)}"
    if budget.verdict is Verdict.COULD_NOT_VERIFY:
        return f"not known: {duration_text(budget.unknown_s)} of {budget.days} days unmeasured"
    return f"{percent_text(budget.left)} ({duration_text(budget.allowed_s - budget.down_s)})"


def _headline(day: StackDay, objective: float) -> str:
    known = [each for each in day.services if each.availability is not None]
    if not known:
        return "Nobody measured it: Prometheus has no history of that day."
    lowest = min(known, key=lambda each: each.availability or 0.0)
    return (
        f"The lowest is {lowest.service} with {availability_text(lowest)};"
        f" {percent_text(objective, 1)} are the objective of each."
    )
