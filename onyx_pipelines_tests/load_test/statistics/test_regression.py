from __future__ import annotations

import numpy as np
import pytest

from onyx_pipelines.load_test.report import sentences
from onyx_pipelines.load_test.results import Change, ChangeKind
from onyx_pipelines.load_test.statistics.regression import compare_repeats

RUNS = 2000
REPEATS = 5
MESSAGES = 100


def _changes(factor: float, noise: float, seed: int) -> list[Change]:
    """Histories of two sides of five repeats, 100 log-normal latencies each."""
    generator = np.random.default_rng(seed)
    latencies = np.exp(generator.normal(0, 0.5, (RUNS, 2, REPEATS, MESSAGES)))
    p95 = np.quantile(latencies, 0.95, axis=3) * np.exp(
        generator.normal(0, noise, (RUNS, 2, REPEATS))
    )
    return [compare_repeats("p95", list(before), list(factor * after)) for before, after in p95]


def _share(changes: list[Change], kind: ChangeKind) -> float:
    return sum(change.kind is kind for change in changes) / len(changes)


def test_at_20_percent_noise_between_runs_at_most_1_in_100_unchanged_ones_alarms() -> None:
    changes = _changes(1.0, noise=0.20, seed=1)

    assert _share(changes, ChangeKind.REGRESSED) <= 0.01
    assert not any(change.is_alarm for change in changes)


@pytest.mark.parametrize("noise", [0.03, 0.06])
def test_a_slowdown_by_half_is_found_in_95_of_100_histories(noise: float) -> None:
    assert _share(_changes(1.5, noise, seed=2), ChangeKind.REGRESSED) >= 0.95


def test_more_than_twice_the_baseline_is_an_alarm() -> None:
    changes = _changes(2.5, noise=0.10, seed=3)

    assert sum(change.is_alarm for change in changes) / RUNS >= 0.98


def test_an_improvement_is_no_regression() -> None:
    changes = _changes(0.5, noise=0.10, seed=4)

    assert _share(changes, ChangeKind.IMPROVED) >= 0.95
    assert _share(changes, ChangeKind.REGRESSED) == 0


def test_of_a_throughput_the_lower_one_is_worse() -> None:
    change = compare_repeats("throughput", [100, 101, 99], [50, 51, 49], higher_is_better=True)

    assert change.kind is ChangeKind.REGRESSED
    assert change.ratio == pytest.approx(2, rel=0.02)


def test_equal_repeats_are_no_change() -> None:
    assert compare_repeats("p95", [5, 5, 5], [5, 5, 5]).kind is ChangeKind.UNCHANGED


def test_a_single_repeat_decides_nothing() -> None:
    change = compare_repeats("p95", [100], [300, 310, 305])

    assert change.kind is ChangeKind.INCONCLUSIVE
    assert not change.is_alarm
    assert change.interval is None
    assert "single repeat" in sentences.change(change)


@pytest.mark.parametrize(("before", "after"), [([], [1.0]), ([1.0], []), ([0.0, 1.0], [1.0, 1.0])])
def test_without_values_there_is_no_ratio(before: list[float], after: list[float]) -> None:
    assert compare_repeats("p95", before, after).ratio is None
