"""The recovery times of all drills on one scale, as places in percent that the page draws. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from onyx_pipelines.core.text import count_text, duration_text, limit_text, moment_text, words
from onyx_pipelines.reporting.ticks import (
    Tick,
    date_ticks,
    days,
    decade_ticks,
    log_percent,
    percent,
)
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
    """Oldest first; places in percent. Twice as slow is the same step everywhere, so that seconds
    and an objective of an hour are both read off."""

    points: tuple[Point, ...]
    dates: tuple[Tick, ...]
    durations: tuple[Tick, ...]
    objective: Tick
    description: str

    @property
    def line(self) -> str:
        """Through what was measured, for an SVG of 100 by 100."""
        measured = [each for each in self.points if each.drill.recovery_is_measured]
        return " ".join(f"{each.left:.2f},{100 - each.bottom:.2f}" for each in measured)


def over_time(drills: Sequence[DrillResult]) -> OverTime:
    """Of at least one drill, oldest first, against the objective of the last one."""
    objective_s = drills[-1].objective_s
    measured = [max(each.recovery_s, _LEAST_S) for each in drills if each.recovery_is_measured]
    low_s, high_s = min([objective_s, *measured]) / 4, max([objective_s, *measured]) * 2
    begin, end = drills[0].started_at, drills[-1].started_at
    # Room beside the first and the last one.
    room = max((end - begin) * 0.03, timedelta(minutes=1))
    first, last = days(begin - room), days(end + room)

    def point(drill: DrillResult) -> Point:
        known = drill.recovery_is_measured
        text = duration_text(drill.recovery_s) if known else "not measured"
        return Point(
            drill,
            percent(days(drill.started_at), first, last),
            log_percent(max(drill.recovery_s, _LEAST_S), low_s, high_s) if known else 0.0,
            f"{moment_text(drill.started_at)}: {words(drill.verdict)}, recovery {text}",
        )

    dates = date_ticks(begin - room, end, most=_MOST_DATES)
    unmeasured = [Tick(0.0, "none")] if len(measured) < len(drills) else []
    return OverTime(
        points=tuple(map(point, drills)),
        dates=tuple(Tick(percent(each.value, first, last), each.text) for each in dates),
        durations=(
            *unmeasured,
            *(
                Tick(log_percent(each.value, low_s, high_s), each.text)
                for each in decade_ticks(low_s * 2, high_s)
            ),
        ),
        objective=Tick(log_percent(objective_s, low_s, high_s), limit_text(objective_s)),
        description=_description(len(drills), measured, objective_s),
    )


def _description(count: int, times: Sequence[float], objective_s: float) -> str:
    text = f"{count_text(count, 'drill')}, objective {limit_text(objective_s)}."
    if not times:
        return f"{text} None has a recovery time."
    return (
        f"{text} Recovery time between {duration_text(min(times))} and"
        f" {duration_text(max(times))}. The table below has the newest ones."
    )
