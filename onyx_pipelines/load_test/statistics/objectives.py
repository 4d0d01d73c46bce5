"""Whether samples prove that a percentile is below its target (AC9.6.2)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from onyx_pipelines.core.text import BYTES_PER_GB
from onyx_pipelines.load_test.results import LoadVerdict, Objective
from onyx_pipelines.load_test.statistics.percentiles import CONFIDENCE, percentile


def judge_percentile(
    name: str,
    values: npt.NDArray[np.float64],
    failures: int,
    target: float,
    *,
    q: float = 0.95,
    unit: str = "ms",
) -> Objective:
    """PASSED if the share of slow requests is certainly below 1 - q, FAILED if certainly above.

    A request that failed counts as slow: nobody got an answer within the target.

    Args:
        values: of the requests that succeeded.
        failures: how many did not.
    """
    slow = int(np.count_nonzero(values >= target)) + failures
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
    return Objective(
        name=name,
        verdict=verdict,
        measured=measured.value,
        interval=measured.interval,
        target=target,
        unit=unit,
        text=_sentence(slow, failures, count, target, unit, (low, high), allowed),
    )


def share_bounds(hits: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact bounds of a share (Clopper and Pearson, Biometrika 26, 1934), each by itself certain to
    that degree: a verdict rests on one of them."""
    tail = 1 - confidence
    low = float(beta.ppf(tail, hits, count - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


_NO_SAMPLES: Final = "No request was made."


def _sentence(
    slow: int,
    failures: int,
    count: int,
    target: float,
    unit: str,
    interval: tuple[float, float],
    allowed: float,
) -> str:
    if not count:
        return _NO_SAMPLES
    failed = f", {failures} of them failed" if failures else ""
    low, high = (100 * end for end in interval)
    return (
        f"{slow} of {count} requests were not answered within {target:g} {unit}{failed}: "
        f"{low:.1f} to {high:.1f} % of all (95 % certain at either end), at most "
        f"{100 * allowed:g} % may be."
    )


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
    if known is None:
        text = "No memory of any service is known: name the services in the settings."
    else:
        most = f", at most {_gigabytes(sum_of_peaks)}" if sum_of_peaks is not None else ""
        text = (
            f"All services together used {_gigabytes(known)} at the fullest sample{most}; "
            f"the limit is {_gigabytes(limit)}."
        )
    return Objective(
        name=name, verdict=verdict, measured=known, interval=None, target=limit, unit="B", text=text
    )


def _gigabytes(value: float) -> str:
    return f"{value / BYTES_PER_GB:.2f} GB"
