"""How long a restore should take, from what drills measured: a fixed part and a rate. Pure.

Data much larger than any that was drilled is "not known yet": a small drill measures the fixed part
alone, and a rate from it frightens whoever has to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import sqrt

from onyx_pipelines.core.text import day_text, duration_text, size_text
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines.sources.source import Component

# As many times the data that was drilled; less than such a part of it.
_FARTHEST = 5.0
_NEAREST = 0.25
# Drills whose sizes differ less tell nothing of a rate.
_SPREAD = 4.0
_NEWEST = 10
_SHORTEST_S = 0.001
_SINGULAR = 1e-9


@dataclass(frozen=True)
class Estimate:
    """`seconds` None: drills do not tell; `basis`: what they measured, or why they do not.

    Args:
        is_limit: it should take no longer than that.
    """

    seconds: float | None
    basis: str
    is_limit: bool = False

    def text(self) -> str:
        """With no more digits than are known."""
        if self.seconds is None:
            return f"not known yet ({self.basis})"
        return f"{'at most' if self.is_limit else 'about'} {_rough(self.seconds)} ({self.basis})"


@dataclass(frozen=True)
class _Measured:
    """One component in one drill."""

    drill: DrillResult
    plain_bytes: int
    seconds: float

    def __str__(self) -> str:
        day = day_text(self.drill.started_at)
        return f"{size_text(self.plain_bytes)} in {duration_text(self.seconds)} on {day}"


def estimate(plain_bytes: Mapping[Component, int], drills: Iterable[DrillResult]) -> Estimate:
    """From the newest drills of each component that restored something.

    Args:
        plain_bytes: what is to be restored of each component.
        drills: newest first.
    """
    measured = _measured(drills)
    missing = [part.value for part in plain_bytes if not measured[part]]
    if missing or not plain_bytes:
        return Estimate(None, f"no drill has measured {', '.join(missing) or 'anything'}")
    parts = [_of_component(part, size, measured[part]) for part, size in plain_bytes.items()]
    unknown = [each.basis for each in parts if each.seconds is None]
    if unknown:
        return Estimate(None, "; ".join(unknown))
    # Two digits are more than it knows.
    seconds = float(f"{sum(each.seconds or 0.0 for each in parts):.2g}")
    basis = "as drills took: " + "; ".join(each.basis for each in parts)
    return Estimate(seconds, basis, is_limit=all(each.is_limit for each in parts))


def _measured(drills: Iterable[DrillResult]) -> dict[Component, list[_Measured]]:
    every = [(drill, each) for drill in drills for each in drill.components]
    return {
        part: list(
            islice(
                (
                    _Measured(drill, each.plain_bytes, each.recovery_s)
                    for drill, each in every
                    if each.component is part and each.recovery_is_measured and each.plain_bytes
                ),
                _NEWEST,
            )
        )
        for part in Component
    }


def _of_component(part: Component, size: int, measured: Sequence[_Measured]) -> Estimate:
    smallest, largest = (pick(m.plain_bytes for m in measured) for pick in (min, max))
    if size > _FARTHEST * largest:
        return Estimate(
            None,
            f"{part.value}: drills restored {size_text(largest)} at most, and this is"
            f" {size_text(size)}",
        )
    if largest >= _SPREAD * smallest:
        fixed_s, s_per_byte = _fitted(measured)
        text = f"{len(measured)} drills of {size_text(smallest)} to {size_text(largest)} since"
        oldest = min(m.drill.started_at for m in measured)
        told = max(float(size), _NEAREST * smallest)
        return Estimate(
            fixed_s + s_per_byte * told, f"{part.value}: {text} {day_text(oldest)}", told > size
        )
    newest = measured[0]
    # The truth lies between a time that is all fixed and one that is all proportional.
    growth = max(1.0, size / newest.plain_bytes)
    return Estimate(
        newest.seconds * sqrt(growth),
        f"{part.value}: {newest}",
        is_limit=size < _NEAREST * newest.plain_bytes,
    )


def _fitted(measured: Sequence[_Measured]) -> tuple[float, float]:
    """Seconds, and seconds for each byte: least squares of the relative errors, none negative."""
    times = [max(each.seconds, _SHORTEST_S) for each in measured]
    ones = [1 / time for time in times]
    sizes = [each.plain_bytes / time for each, time in zip(measured, times, strict=True)]
    one, size = sum(ones), sum(sizes)
    one_one, size_size = _sumprod(ones, ones), _sumprod(sizes, sizes)
    one_size = _sumprod(ones, sizes)
    determinant = one_one * size_size - one_size * one_size
    if determinant < _SINGULAR * one_one * size_size:  # one drill outweighs all others
        return 0.0, size / size_size
    fixed_s = (one * size_size - size * one_size) / determinant
    s_per_byte = (size * one_one - one * one_size) / determinant
    if fixed_s < 0:
        return 0.0, size / size_size
    if s_per_byte < 0:
        return one / one_one, 0.0
    return fixed_s, s_per_byte


def _sumprod(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(left, right, strict=True))


def _rough(seconds: float) -> str:
    """2 -> "a few seconds", 37 -> "40 s", 457 -> "8 min", 4000 -> "1 h 10 min", 2e5 -> "2 days"."""
    if seconds < 8:
        return "a few seconds"
    if seconds < 55:
        return f"{_to_next(seconds, 10)} s"
    minutes = seconds / 60
    if minutes < 57:
        return f"{_to_next(minutes, 1 if minutes < 15 else 5)} min"
    if minutes < 10 * 60:
        hours, rest = divmod(_to_next(minutes, 10), 60)
        return f"{hours} h {rest:02d} min" if rest else f"{hours} h"
    hours_in_all = _to_next(minutes / 60, 1)
    return f"{hours_in_all} h" if hours_in_all < 48 else f"{_to_next(hours_in_all / 24, 1)} days"


def _to_next(value: float, step: int) -> int:
    """Rounded up: whoever waits is told too much rather than too little."""
    return -(-round(value * 100) // (step * 100)) * step
