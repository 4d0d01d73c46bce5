"""What each asset check of monitoring says; the same for as long as it is the same."""

from __future__ import annotations

from datetime import date

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.coverage import Scraping
from onyx_pipelines.monitoring.endpoint_latency import EndpointLatency
from onyx_pipelines.monitoring.promises import (
    OF_COVERAGE,
    budget_answer,
    objective_answer,
    quick_answer,
)
from onyx_pipelines.monitoring.service_days import Budget, ServiceDay, Span, StackDay, State

WELL = Scraping("onyx", is_up=True, interval_s=15, age_s=4)
LATE = Scraping("redis", is_up=True, interval_s=60, age_s=300, problem="late by 300 s")
DOWN = Scraping("suna", is_up=False, interval_s=15, age_s=4, problem="suna at s:1: refused")


def endpoint(job: str, p95_s: float, samples: int = 240) -> EndpointLatency:
    return EndpointLatency(job, f"{job}:1", samples, (p95_s / 2, p95_s, p95_s))


@pytest.mark.parametrize(
    ("check", "services", "verdict", "said"),
    [
        ("six_services_are_scraped", [WELL, LATE], Verdict.PASSED, "All 2 are up."),
        ("six_services_are_scraped", [WELL, DOWN], Verdict.FAILED, "suna at s:1: refused"),
        ("scraped_every_15_seconds", [WELL, LATE], Verdict.FAILED, "Not of redis."),
        ("scrapes_are_recent", [WELL, LATE], Verdict.FAILED, "Not of redis."),
        ("scrapes_are_recent", [WELL, DOWN], Verdict.PASSED, "None is late."),
    ],
)
def test_each_check_of_the_scrapes_names_those_that_break_it(
    check: str, services: list[Scraping], verdict: Verdict, said: str
) -> None:
    assert OF_COVERAGE[check][1](services) == (verdict, said)


class TestLatency:
    """AC9.1.3."""

    def test_ours_and_others_are_judged_apart(self) -> None:
        found = [endpoint("onyx", 0.004), endpoint("cadvisor", 0.08)]

        assert quick_answer(found, ours=True) == (
            Verdict.PASSED, "The slowest p95 is 4.0 ms."
        )  # fmt: skip
        assert quick_answer(found, ours=False) == (
            Verdict.FAILED, "p95 above 10 ms: cadvisor."
        )  # fmt: skip

    @pytest.mark.parametrize("found", [[], [endpoint("onyx", 0.004, samples=19)]])
    def test_of_few_scrapes_nothing_is_known(self, found: list[EndpointLatency]) -> None:
        assert quick_answer(found, ours=True)[0] is Verdict.COULD_NOT_VERIFY

    def test_ten_milliseconds_are_too_many(self) -> None:
        assert quick_answer([endpoint("onyx", 0.010)], ours=True)[0] is Verdict.FAILED


def day(state: State) -> StackDay:
    spans = (Span(state=state, begin_s=0, length_s=86400),)
    return StackDay(day=date(2026, 11, 26), services=(ServiceDay(service="onyx", spans=spans),))


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (State.UP, Verdict.PASSED),
        (State.DOWN, Verdict.FAILED),
        (State.UNKNOWN, Verdict.COULD_NOT_VERIFY),
    ],
)
def test_a_day_keeps_its_objective_or_not_or_nobody_knows(state: State, verdict: Verdict) -> None:
    assert objective_answer(day(state), 0.995)[0] is verdict


@pytest.mark.parametrize(
    ("down_s", "unknown_s", "verdict"),
    [
        (100, 0, Verdict.PASSED),
        (1001, 0, Verdict.FAILED),
        (500, 501, Verdict.COULD_NOT_VERIFY),
    ],
)
def test_a_budget_is_left_overdrawn_or_nobody_knows(
    down_s: int, unknown_s: int, verdict: Verdict
) -> None:
    budget = Budget(service="onyx", days=3, allowed_s=1000, down_s=down_s, unknown_s=unknown_s)

    assert budget_answer([budget])[0] is verdict


def test_of_no_day_no_budget_is_known() -> None:
    assert budget_answer([]) == (Verdict.COULD_NOT_VERIFY, "No day is known.")
