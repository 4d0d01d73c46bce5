"""Whether a figure has changed against a baseline, decided over repeats and not over requests.

Requests of one repeat share a queue; a test that pools them calls 4 of 10 unchanged runs a
regression at 10 % noise between runs. So each repeat gives one number, and Welch's interval of the
difference of their logarithms decides (B. L. Welch, Biometrika 34, 1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import t as student

from onyx_pipelines.load_test.results import Change, ChangeKind, Interval

# A regression must be certain (all of the interval beyond 1.06) and matter (beyond 1.25): of five
# unchanged repeats a side at 20 % noise between runs, 1 in 100 is called one.
_CERTAIN_BEYOND: Final = 1.06
_MATTERS_BEYOND: Final = 1.25
ALARM_BEYOND: Final = 2.0
_ALARM_CERTAIN_BEYOND: Final = 1.25
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class _Difference:
    """Of logarithms, with the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """Of the ratio, not of its logarithm."""
        return Interval(low=math.exp(self.low), high=math.exp(self.high), confidence=_CONFIDENCE)


def compare_repeats(
    name: str,
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    higher_is_better: bool = False,
    is_gating: bool = False,
) -> Change:
    """One figure per repeat on either side; all above zero.

    With a single repeat on either side nothing is certain: the change is inconclusive, and has no
    interval.
    """
    change = Change(
        name=name,
        ratio=None,
        interval=None,
        kind=ChangeKind.INCONCLUSIVE,
        is_gating=is_gating,
    )
    if not baseline or not candidate or min(*baseline, *candidate) <= 0:
        return change
    if len(baseline) < 2 or len(candidate) < 2:
        ratio = _worse_ratio(baseline, candidate, higher_is_better=higher_is_better)
        return change.model_copy(update={"ratio": ratio})
    found = _difference(baseline, candidate, higher_is_better=higher_is_better)
    ratio = math.exp(found.estimate)
    is_alarm = ratio > ALARM_BEYOND and math.exp(found.low) > _ALARM_CERTAIN_BEYOND
    return change.model_copy(
        update={
            "ratio": ratio,
            "interval": found.interval,
            "kind": _kind(found),
            "is_alarm": is_alarm,
        }
    )


def _worse_ratio(
    baseline: Sequence[float], candidate: Sequence[float], *, higher_is_better: bool
) -> float:
    difference = float(np.mean(np.log(candidate)) - np.mean(np.log(baseline)))
    return math.exp(-difference if higher_is_better else difference)


def _difference(
    baseline: Sequence[float], candidate: Sequence[float], *, higher_is_better: bool
) -> _Difference:
    before, after = np.log(baseline), np.log(candidate)
    if higher_is_better:
        before, after = -before, -after
    estimate = float(after.mean() - before.mean())
    errors = (before.var(ddof=1) / len(before), after.var(ddof=1) / len(after))
    squared = float(sum(errors))
    if squared <= 0:
        # Equal to the last digit: there is no noise to speak of.
        return _Difference(estimate, estimate, estimate)
    freedom = squared**2 / float(
        errors[0] ** 2 / (len(before) - 1) + errors[1] ** 2 / (len(after) - 1)
    )
    error = math.sqrt(squared)
    half = float(student.ppf(1 - (1 - _CONFIDENCE) / 2, freedom)) * error
    return _Difference(estimate, estimate - half, estimate + half)


def _kind(found: _Difference) -> ChangeKind:
    certain, matters = math.log(_CERTAIN_BEYOND), math.log(_MATTERS_BEYOND)
    if found.low > certain and found.estimate > matters:
        return ChangeKind.REGRESSED
    if found.high < -certain and found.estimate < -matters:
        return ChangeKind.IMPROVED
    if found.low > -matters and found.high < matters:
        return ChangeKind.UNCHANGED
    return ChangeKind.INCONCLUSIVE
