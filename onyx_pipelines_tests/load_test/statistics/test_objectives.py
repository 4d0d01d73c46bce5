from __future__ import annotations

import numpy as np
import pytest

from onyx_pipelines.load_test.report.sentences import judgement
from onyx_pipelines.load_test.results import LoadVerdict, Measure
from onyx_pipelines.load_test.statistics.objectives import (
    judge_peak_memory,
    judge_percentile,
    share_bounds,
)

GIB = 2**30


def _judged(count: int, slow: int, failures: int = 0) -> LoadVerdict:
    values = np.array([100.0] * (count - slow - failures) + [300.0] * slow)
    return judge_percentile("rag", Measure.RETRIEVAL, values, failures, 200.0).verdict


@pytest.mark.parametrize(
    ("count", "most_to_pass", "fewest_to_fail"),
    [(100, 1, 10), (300, 8, 22), (500, 16, 34), (1000, 38, 63)],
)
def test_the_limits_are_those_of_the_exact_binomial_test(
    count: int, most_to_pass: int, fewest_to_fail: int
) -> None:
    assert _judged(count, most_to_pass) is LoadVerdict.PASSED
    assert _judged(count, most_to_pass + 1) is LoadVerdict.INCONCLUSIVE
    assert _judged(count, fewest_to_fail - 1) is LoadVerdict.INCONCLUSIVE
    assert _judged(count, fewest_to_fail) is LoadVerdict.FAILED


def test_a_failed_request_counts_as_slow() -> None:
    assert _judged(500, slow=0, failures=34) is LoadVerdict.FAILED


def test_no_request_proves_nothing() -> None:
    found = judge_percentile("rag", Measure.RETRIEVAL, np.array([]), 0, 200.0)

    assert found.verdict is LoadVerdict.INCONCLUSIVE
    assert judgement(found) == "No request was made. Measured: retrieval."


def test_the_sentence_says_what_was_counted() -> None:
    values = np.array([100.0] * 480 + [300.0] * 18)

    text = judgement(judge_percentile("rag", Measure.RETRIEVAL, values, 2, 200.0))

    assert text == (
        "20 of 500 requests were not answered within 200 ms, 2 of them failed: 2.7 to 5.8 % of all "
        "(95 % certain at either end), at most 5 % may be. Measured: retrieval."
    )


@pytest.mark.parametrize(("hits", "count"), [(0, 100), (100, 100), (0, 0)])
def test_shares_at_the_ends_have_intervals(hits: int, count: int) -> None:
    low, high = share_bounds(hits, count)

    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    ("sampled", "peaks", "verdict"),
    [
        (13 * GIB, 15 * GIB, LoadVerdict.FAILED),
        (10 * GIB, 11 * GIB, LoadVerdict.PASSED),
        (10 * GIB, 13 * GIB, LoadVerdict.INCONCLUSIVE),
        (10 * GIB, None, LoadVerdict.PASSED),
        (11.5 * GIB, None, LoadVerdict.INCONCLUSIVE),
        (None, 11 * GIB, LoadVerdict.PASSED),
        (None, None, LoadVerdict.INCONCLUSIVE),
    ],
)
def test_peak_memory_lies_between_what_was_sampled_and_the_sum_of_peaks(
    sampled: float | None, peaks: float | None, verdict: LoadVerdict
) -> None:
    assert judge_peak_memory("memory", sampled, peaks, 12 * GIB).verdict is verdict
