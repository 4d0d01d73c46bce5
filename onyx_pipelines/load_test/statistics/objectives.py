"""Whether samples prove that a percentile is below its target (AC9.6.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from onyx_pipelines.load_test.facts import What, fact
from onyx_pipelines.load_test.results import LoadVerdict, Measure, Objective
from onyx_pipelines.load_test.statistics.percentiles import CONFIDENCE, percentile


def judge_percentile(
    name: str,
    measure: Measure,
    values: npt.NDArray[np.float64],
    failures: int,
    target_ms: float,
    q: float = 0.95,
) -> Objective:
    """PASSED if the share of slow requests is certainly below 1 - q, FAILED if certainly above.

    A request that failed counts as slow: nobody got an answer within the target.

    Args:
        values: of the requests that succeeded.
        failures: how many did not.
    """
    slow = int(np.count_nonzero(values >= target_ms)) + failures
    count = len(values) + failures
    measured = percentile(values, q)
    low, high = share_bounds(slow, count)
    allowed = 1 - q
    if high < allowed:
        verdict = LoadVerdict.PASSED
    elif low > allowed:
        verdict = LoadVerdict.FAILED
    else:
        verdict = LoadVerdict.INCONCLUSIVE
    seen = fact(
        What.SLOW_REQUESTS,
        slow=slow,
        count=count,
        failures=failures,
        target_ms=target_ms,
        low_percent=100 * low,
        high_percent=100 * high,
        allowed_percent=100 * allowed,
    )
    return Objective(
        name=name,
        verdict=verdict,
        measured=measured.value,
        interval=measured.interval,
        target=target_ms,
        unit="ms",
        facts=(
            seen if count else fact(What.NO_REQUEST_MADE),
            fact(What.MEASURED, measure=measure.value),
        ),
    )


def share_bounds(hits: int, count: int) -> tuple[float, float]:
    """Exact bounds of a share (Clopper and Pearson, Biometrika 26, 1934), each by itself certain to
    that degree: a verdict rests on one of them."""
    tail = 1 - CONFIDENCE
    low = float(beta.ppf(tail, hits, count - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


def judge_peak_memory(
    name: str, sampled_sum: float | None, sum_of_peaks: float | None, limit: float
) -> Objective:
    """The peak of the sum lies between the largest sampled sum and the sum of each one's peak.

    All in bytes; `None` where it is not known.
    """
    if sampled_sum is not None and sampled_sum > limit:
        verdict = LoadVerdict.FAILED
    elif sum_of_peaks is not None and sum_of_peaks < limit:
        verdict = LoadVerdict.PASSED
    elif sampled_sum is not None and sum_of_peaks is None:
        # Sampled each second; a peak between two samples is missed, hence the margin.
        verdict = LoadVerdict.PASSED if sampled_sum < 0.9 * limit else LoadVerdict.INCONCLUSIVE
    else:
        verdict = LoadVerdict.INCONCLUSIVE
    known = sampled_sum if sampled_sum is not None else sum_of_peaks
    seen = fact(What.MEMORY_UNKNOWN)
    if known is not None:
        seen = fact(What.MEMORY_USED, used_bytes=known, most_bytes=sum_of_peaks, limit_bytes=limit)
    return Objective(
        name=name,
        verdict=verdict,
        measured=known,
        interval=None,
        target=limit,
        unit="B",
        facts=(seen,),
    )
