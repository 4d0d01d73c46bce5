from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.load_test.report.sentences import lacking
from onyx_pipelines.load_test.statistics.percentiles import percentile, percentiles, samples_needed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_how_many_samples_an_interval_takes(q: float, needed: int) -> None:
    assert samples_needed(q) == needed


def test_too_few_samples_give_no_number_but_a_reason() -> None:
    found = percentile(np.arange(100.0), 0.99)

    assert found.value is None
    assert found.interval is None
    assert lacking(found) == "too few samples: 100, it takes at least 368"


@pytest.mark.parametrize(
    ("count", "low", "high"), [(100, 90, 100), (300, 277, 293), (1000, 936, 964)]
)
def test_the_interval_of_p95_is_between_known_order_statistics(
    count: int, low: int, high: int
) -> None:
    interval = percentile(np.arange(1.0, count + 1), 0.95).interval

    assert interval is not None
    assert (interval.low, interval.high) == (low, high)


@pytest.mark.parametrize("count", [100, 500])
@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
def test_intervals_cover_the_truth_in_95_of_100_runs(count: int, q: float) -> None:
    generator = np.random.default_rng(count)
    truth = float(np.quantile(np.exp(generator.normal(0, 0.7, 2_000_000)), q))
    covered = 0
    for _ in range(2000):
        interval = percentile(np.exp(generator.normal(0, 0.7, count)), q).interval
        assert interval is not None
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= truth <= interval.high

    # Two standard errors of 2000 trials below 95 %.
    assert covered / 2000 >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 2000)


@given(
    st.lists(st.floats(0.001, 1e6), min_size=6, max_size=800),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_a_percentile_lies_within_its_interval_and_equals_numpys(
    values: list[float], q: float
) -> None:
    found = percentile(np.array(values), q)

    if found.value is not None:
        assert found.interval is not None
        assert found.interval.low is not None
        assert found.interval.high is not None
        assert found.interval.low <= found.value <= found.interval.high
        assert found.value == np.quantile(values, q)


def test_all_that_are_reported() -> None:
    assert [each.q for each in percentiles(np.arange(500.0))] == [0.5, 0.9, 0.95, 0.99]
