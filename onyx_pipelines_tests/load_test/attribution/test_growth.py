"""Whose growth it is, and how sure that is."""

import pytest

from onyx_pipelines.load_test.attribution.growth import Growth, growth_of, share_interval
from onyx_pipelines.load_test.part import Owner, Part, Role
from onyx_pipelines.load_test.results import Scenario, SweepStep
from onyx_pipelines_tests.load_test.attribution.injected import inject
from onyx_pipelines_tests.load_test.attribution.measuring import steps_of
from onyx_pipelines_tests.load_test.attribution.simulation import sweep


def _step(users, parts, throughput_per_s=10.0, samples=50):
    return SweepStep(
        scenario=Scenario.RAG,
        users=users,
        samples=samples,
        throughput_per_s=throughput_per_s,
        mean_ms=sum(parts.values()),
        p95_ms=None,
        error_rate=0.0,
        parts=parts,
    )


def test_growth_is_shared_among_those_that_grew():
    low = _step(1, {"app_self": 10.0, "db_srv": 20.0, "llm_srv": 100.0})
    high = _step(8, {"app_self": 40.0, "db_srv": 30.0, "llm_srv": 90.0})

    shares = dict(Growth(low, high).shares())

    assert shares[Owner("app", Role.SELF)] == pytest.approx(0.75)
    assert shares[Owner("db", Role.SRV)] == pytest.approx(0.25)
    assert shares[Owner("llm", Role.SRV)] == 0.0


def test_a_part_that_is_new_at_the_heavy_end_has_grown_from_nothing():
    growth = Growth(_step(1, {"app_self": 10.0}), _step(8, {"app_self": 10.0, "db_wait": 90.0}))

    assert growth.share_of({Part("db_wait")}) == 1.0


@pytest.mark.parametrize(
    ("low_ms", "high_ms", "low_per_s", "high_per_s", "depends"),
    [
        (100.0, 400.0, 10.0, 20.0, True),
        (100.0, 110.0, 10.0, 73.0, False),
        (100.0, 130.0, 10.0, 20.0, False),
        (100.0, 150.0, 10.0, 75.0, False),
    ],
)
def test_load_matters_if_latency_rises_and_throughput_does_not_follow(
    low_ms, high_ms, low_per_s, high_per_s, depends
):
    growth = Growth(
        _step(1, {"app_self": low_ms}, low_per_s), _step(8, {"app_self": high_ms}, high_per_s)
    )

    assert growth.is_load_dependent is depends


def test_steps_are_compared_by_users_not_by_their_order():
    growth = growth_of([_step(8, {"a": 4.0}), _step(1, {"a": 1.0}), _step(2, {"a": 2.0})])

    assert (growth.low.users, growth.high.users) == (1, 8)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [_step(8, {"a": 4.0})],
        [_step(8, {"a": 4.0}), _step(8, {"a": 5.0})],
        [_step(1, {"a": 4.0}), _step(8, {"a": 5.0}, samples=0)],
        [_step(1, {"a": 4.0}), _step(8, {})],
    ],
)
def test_growth_takes_two_numbers_of_users_with_known_parts(steps):
    assert growth_of(steps) is None


def test_an_interval_takes_three_seconds_at_each_end():
    run = sweep(inject("small pool", 51).system, 51)
    growth = growth_of(steps_of(run))
    short = run.samples[run.samples["ended_ms"] < run.samples["started_ms"].min() + 2500]

    assert share_interval(run.samples, Scenario.RAG, growth, {Part("db_wait")}) is not None
    assert share_interval(short, Scenario.RAG, growth, {Part("db_wait")}) is None


def test_an_interval_is_of_the_scenario_alone():
    run = sweep(inject("small pool", 51).system, 51)
    growth = growth_of(steps_of(run))

    assert share_interval(run.samples, Scenario.CHAT, growth, {Part("db_wait")}) is None
