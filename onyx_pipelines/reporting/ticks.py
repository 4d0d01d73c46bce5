"""Where the ticks of an axis go and what they say: durations and dates that people use. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onyx_pipelines.core.text import limit_text

_ROUND_S = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12, 24)),
)
_DECADES_S = (0.01, 0.1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)
_ROUND_DAYS = (
    *(hours / 24 for hours in (1 / 12, 1 / 2, 1, 2, 3, 6, 12)),
    1,
    2,
    7,
    14,
    28,
    91,
    182,
    364,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def percent(value: float, low: float, high: float) -> float:
    """Where it is between both; 0 and 100 are the ends for what is outside."""
    return 100 * min(max((value - low) / (high - low), 0.0), 1.0)


def log_percent(value: float, low: float, high: float) -> float:
    """The same on a logarithmic scale; all are positive."""
    return percent(math.log(value), math.log(low), math.log(high))


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in the axis' unit, and its label."""

    value: float
    text: str


def duration_ticks(end_s: float, *, most: int) -> list[Tick]:
    """0, s, 2s, … up to `end_s`, for the shortest usual duration s that needs at most `most`."""
    step = next((s for s in _ROUND_S if end_s / s < most), 86400 * math.ceil(end_s / 86400 / most))
    values = [step * index for index in range(int(end_s / step) + 1)]
    return [Tick(value, limit_text(value)) for value in values]


def decade_ticks(low_s: float, high_s: float) -> list[Tick]:
    """For a logarithmic scale: 1 s, 10 s, 1 min, 10 min, 1 h, …"""
    return [Tick(value, limit_text(value)) for value in _DECADES_S if low_s <= value <= high_s]


def days(moment: datetime) -> float:
    """A moment as days since 1970, the unit of `date_ticks`."""
    return (moment - _EPOCH) / timedelta(days=1)


def date_ticks(first: datetime, last: datetime, *, most: int) -> list[Tick]:
    """Round times of day, days, weeks or quarters in UTC from `first` to `last`.

    The year stands only where it is not that of `last`.
    """
    span = days(last) - days(first)
    step = next((d for d in _ROUND_DAYS if span / d < most), 364 * math.ceil(span / 364 / most))
    # Counted back from the last midnight (or round hour), so the newest date is always there.
    anchor = math.floor(days(last) / min(step, 1)) * min(step, 1)
    count = math.floor((anchor - days(first)) / step) + 1
    values = [anchor - step * index for index in range(count)]
    return [Tick(value, _date(value, last)) for value in sorted(values)]


def _date(value: float, last: datetime) -> str:
    moment = _EPOCH + timedelta(seconds=round(value * 86400))
    if (moment.hour, moment.minute) != (0, 0):
        return f"{moment:%H:%M}"
    text = f"{moment.day} {moment:%b}"
    return text if moment.year == last.astimezone(UTC).year else f"{text} {moment.year}"
