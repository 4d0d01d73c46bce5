from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.capacity import fitting
from onyx_pipelines.load_test.capacity.closed_queue import throughput_per_ms
from onyx_pipelines.load_test.capacity.fitting import fit_capacity
from onyx_pipelines.load_test.results import Scenario, SweepStep

pytestmark = pytest.mark.slow

USERS = (1, 2, 4, 8, 16, 20, 24, 32)


def _sweep(
    base_ms: float,
    demand_ms: float,
    noise: float = 0.0,
    seed: int = 0,
    users: tuple[int, ...] = USERS,
) -> list[SweepStep]:
    generator = np.random.default_rng(seed)
    throughput = throughput_per_ms(max(users), np.array(base_ms), np.array(demand_ms))
    return [
        _step(n, float(throughput[n - 1]) * 1000 * float(np.exp(generator.normal(0, noise))))
        for n in users
    ]


def _step(users: int, throughput_per_s: float) -> SweepStep:
    return SweepStep(
        scenario=Scenario.RAG,
        users=users,
        samples=100,
        throughput_per_s=throughput_per_s,
        mean_ms=1000 * users / throughput_per_s,
        p95_ms=None,
        error_rate=0.0,
    )


def test_a_sweep_of_the_model_itself_gives_its_parameters_back() -> None:
    found = fit_capacity(_sweep(200, 25))

    assert found is not None
    assert found.is_reached
    assert found.base_ms == pytest.approx(200, rel=0.01)
    assert found.demand_ms == pytest.approx(25, rel=0.01)
    assert found.knee_users == pytest.approx(8, rel=0.01)
    assert found.max_throughput_per_s == pytest.approx(40, rel=0.01)


def test_the_knee_lies_within_its_interval_in_most_noisy_sweeps() -> None:
    held = 0
    for seed in range(10):
        found = fit_capacity(_sweep(200, 25, noise=0.04, seed=seed))
        assert found is not None
        assert found.knee_interval is not None
        assert found.knee_interval.low is not None
        assert found.knee_interval.high is not None
        held += found.knee_interval.low <= 8 <= found.knee_interval.high

    assert held >= 8


def test_a_sweep_that_ends_before_the_knee_bounds_the_demand_only() -> None:
    found = fit_capacity(_sweep(200, 1))

    assert found is not None
    assert not found.is_reached
    assert found.knee_users is None
    assert found.max_throughput_per_s is None
    assert found.demand_ms >= 1


def test_throughput_that_falls_with_more_users_is_told_apart_from_a_plateau() -> None:
    rising = _sweep(200, 25)
    falling = [*rising[:-2], _step(24, 30.0), _step(32, 25.0)]

    first, second = fit_capacity(rising), fit_capacity(falling)

    assert first is not None
    assert not first.retrograde
    assert second is not None
    assert second.retrograde


def test_three_numbers_of_users_are_too_few() -> None:
    assert fit_capacity(_sweep(200, 25, users=(1, 8, 32))) is None


def test_steps_without_an_answer_do_not_count() -> None:
    dead = [
        step.model_copy(update={"samples": 0, "throughput_per_s": 0.0}) for step in _sweep(9, 1)
    ]

    assert fit_capacity(dead) is None


def test_the_same_sweep_gives_the_same_answer() -> None:
    steps = _sweep(200, 25, noise=0.05)

    assert fit_capacity(steps) == fit_capacity(steps)


def test_a_sweep_whose_throughput_jumps_gives_no_knee() -> None:
    jumping = [_step(users, rate) for users, rate in ((1, 30.0), (2, 5.0), (4, 60.0), (8, 3.0))]

    found = fit_capacity(jumping)

    assert found is not None
    assert not found.is_described
    assert (found.knee_users, found.knee_interval, found.max_throughput_per_s) == (None, None, None)


RATES = st.floats(min_value=0, max_value=1e6, allow_subnormal=False)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(points=st.lists(st.tuples(st.integers(1, 64), RATES), max_size=8))
def test_any_sweep_is_answered_with_finite_numbers_or_none(
    points: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_RESAMPLES", 10)
    steps = [
        _step(users, rate) if rate > 1e-6 else _silent_step(users)
        for users, rate in dict(points).items()
    ]

    found = fit_capacity(steps)

    if found is not None:
        numbers = [found.base_ms, found.demand_ms, found.relative_error, *found.model_users]
        assert np.isfinite([*numbers, *found.model_throughput_per_s]).all()
        assert found.is_described or found.knee_users is None
        interval = found.knee_interval
        assert interval is None or np.isfinite([interval.low or 0, interval.high or 0]).all()


def _silent_step(users: int) -> SweepStep:
    return _step(users, 1.0).model_copy(update={"samples": 0, "throughput_per_s": 0.0})
