"""Percentiles with distribution-free confidence intervals from order statistics.

Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2. A bootstrap of the
95th percentile covers only 90 % of what it says at 100 samples, these at least 95 %.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from onyx_pipelines.load_test.facts import What, fact
from onyx_pipelines.load_test.results import Interval, Percentile

CONFIDENCE: Final = 0.95
REPORTED: Final = (0.50, 0.90, 0.95, 0.99)


def samples_needed(q: float, confidence: float = CONFIDENCE) -> int:
    """The fewest samples with an interval bounded on both sides: 72 for p95, 368 for p99."""
    tail = (1 - confidence) / 2
    return math.ceil(math.log(tail) / math.log(max(q, 1 - q)))


def percentile(
    values: npt.NDArray[np.float64], q: float, confidence: float = CONFIDENCE
) -> Percentile:
    """The q-quantile (linear interpolation, as k6 and NumPy have it) and its interval.

    With fewer than `samples_needed` values there is none, and `lacking` says so.

    Args:
        values: milliseconds, in any order.
        q: 0 < q < 1.
    """
    count, needed = len(values), samples_needed(q, confidence)
    if count < needed:
        lacking = fact(What.TOO_FEW_SAMPLES, count=count, needed=needed)
        return Percentile(q=q, value=None, lacking=lacking)
    ordered = np.sort(values)
    low, high = _ranks(count, q, confidence)
    return Percentile(
        q=q,
        value=float(np.quantile(ordered, q, method="linear")),
        interval=Interval(
            low=float(ordered[low - 1]), high=float(ordered[high - 1]), confidence=confidence
        ),
    )


def percentiles(values: npt.NDArray[np.float64]) -> tuple[Percentile, ...]:
    return tuple(percentile(values, q) for q in REPORTED)


def _ranks(count: int, q: float, confidence: float) -> tuple[int, int]:
    """Ranks from 1 of the order statistics between which the quantile lies."""
    tail = (1 - confidence) / 2
    low = int(binom.ppf(tail, count, q))
    high = int(binom.ppf(1 - tail, count, q)) + 1
    return max(1, low), min(count, high)
