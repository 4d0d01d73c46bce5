"""The recovery times of all drills on one scale. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from onyx_pipelines.core.text import count_text, duration_text, limit_text, moment_text
from onyx_pipelines.reporting.plots import Axis, Plot, Shape
from onyx_pipelines.reporting.ticks import Tick, date_ticks, days, decade_ticks
from onyx_pipelines.restore.report.formatting import VERDICT_NAMES
from onyx_pipelines.restore.results import DrillResult

_LEAST_S: Final = 0.01
_MOST_DATES: Final = 11


@dataclass(frozen=True)
class Point:
    """A drill, from the left and from below; what was not measured is at the very bottom."""

    drill: DrillResult
    left: float
    bottom: float
    tooltip: str


@dataclass(frozen=True)
class OverTime:
    """Oldest first. Twice as slow is the same step everywhere, so that seconds and an objective of
    an hour are both read off."""

    plot: Plot
    points: tuple[Point, ...]


def over_time(drills: Sequence[DrillResult]) -> OverTime:
    """Of at least one drill, oldest first, against the objective of the last one."""
    objective_s = drills[-1].objective_s
    measured = [
        (days(each.started_at), max(each.recovery_s, _LEAST_S))
        for each in drills
        if each.recovery_is_measured
    ]
    all_s = [objective_s, *(recovery_s for _, recovery_s in measured)]
    low_s, high_s = min(all_s) / 4, max(all_s) * 2
    begin, end = drills[0].started_at, drills[-1].started_at
    # Room beside the first and the last one.
    room = max((end - begin) * 0.03, timedelta(minutes=1))
    unmeasured = [Tick(low_s, "none")] if len(measured) < len(drills) else []
    x = Axis(days(begin - room), days(end + room), date_ticks(begin - room, end, most=_MOST_DATES))
    y = Axis(low_s, high_s, [*unmeasured, *decade_ticks(low_s * 2, high_s)], is_log=True)

    def point(drill: DrillResult) -> Point:
        known = drill.recovery_is_measured
        text = duration_text(drill.recovery_s) if known else "not measured"
        return Point(
            drill,
            x.place(days(drill.started_at)),
            y.place(max(drill.recovery_s, _LEAST_S)) if known else 0.0,
            f"{moment_text(drill.started_at)}: {VERDICT_NAMES[drill.verdict]}, recovery {text}",
        )

    about = _description(len(drills), [each for _, each in measured], objective_s)
    line = Shape("line", "muted", measured)
    return OverTime(Plot("Recovery time", about, x, y, [line]), tuple(map(point, drills)))


def _description(count: int, times: Sequence[float], objective_s: float) -> str:
    text = f"{count_text(count, 'drill')}, objective {limit_text(objective_s)}."
    if not times:
        return f"{text} None has a recovery time."
    return (
        f"{text} Recovery time between {duration_text(min(times))} and"
        f" {duration_text(max(times))}. The table below has the newest ones."
    )
