"""What `explain` says when something is missing, odd or cut off: never more than the data show."""

import numpy as np
import pandas as pd
import pytest

from onyx_pipelines.load_test.attribution.explain import explain
from onyx_pipelines.load_test.report.sentences import cannot_tell, evidence, summary
from onyx_pipelines.load_test.results import Capacity, CauseKind, Scenario, ServiceLoad
from onyx_pipelines_tests.load_test.attribution.injected import healthy, inject
from onyx_pipelines_tests.load_test.attribution.measuring import steps_of
from onyx_pipelines_tests.load_test.attribution.simulation import Run, sweep

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def locked() -> Run:
    return sweep(inject("serial section", 51).system, 51)


def _explained(run, baseline=None, capacity=None):
    return explain(run.samples, run.telemetry, steps_of(run), capacity, baseline)


def _without_server_timing(run):
    return Run(run.samples.assign(server_timing=""), run.telemetry)


def _without_telemetry(run):
    return Run(run.samples, run.telemetry.iloc[:0])


def _told(answer, words):
    return any(words in sentence for sentence in cannot_tell(answer))


def test_without_server_timing_it_says_that_the_hop_cannot_be_told(locked):
    answer = _explained(_without_server_timing(locked))

    assert answer.cause.kind is CauseKind.UNKNOWN
    assert _told(answer, "carry no Server-Timing")
    assert answer.remedies[0].gains == ()


def test_a_full_cpu_is_found_without_server_timing_but_believed_less():
    run = sweep(inject("vector cpu", 51).system, 51)

    with_timing, without = _explained(run).cause, _explained(_without_server_timing(run)).cause

    assert (without.kind, without.service) == (with_timing.kind, with_timing.service)
    assert without.confidence < with_timing.confidence


def test_without_telemetry_a_growing_service_has_no_named_cause(locked):
    answer = _explained(_without_telemetry(locked))

    assert (answer.cause.kind, answer.cause.service) == (CauseKind.UNKNOWN, "app")
    assert _told(answer, "no telemetry")


def test_an_exhausted_pool_is_found_by_its_wait_alone():
    run = sweep(inject("small pool", 51).system, 51)

    cause = _explained(_without_telemetry(run)).cause

    assert (cause.kind, cause.service) == (CauseKind.POOL_EXHAUSTION, "db")
    assert cause.confidence <= 0.6


def test_without_a_baseline_a_slow_dependency_cannot_be_told():
    answer = _explained(sweep(inject("slow llm", 51).system, 51))

    assert answer.cause is None
    assert _told(answer, "no baseline")
    assert "Its largest part is llm: at work, " in summary(answer)


def test_a_baseline_of_other_numbers_of_users_is_not_compared_with():
    injected = inject("slow llm", 51)
    baseline = steps_of(sweep(injected.healthy, 52, users=(3, 5)))

    answer = _explained(sweep(injected.system, 51), baseline)

    assert answer.cause is None
    assert _told(answer, "no step with the same number of users")


def test_one_step_says_nothing_of_growth():
    answer = _explained(sweep(healthy(51).system, 51, users=(20,)))

    assert answer.cause is None
    assert _told(answer, "fewer than two numbers of users")


def test_no_answered_request_is_no_clean_bill(locked):
    failed = [
        step.model_copy(update={"samples": 0, "mean_ms": 0.0, "parts": {}})
        for step in steps_of(locked)
    ]

    answer = explain(locked.samples, locked.telemetry, failed, None, None)

    assert answer.cause is None
    assert summary(answer) == "There are no answered requests to explain."
    assert cannot_tell(answer) == ["No step of the sweep has an answered request."]


def test_a_target_that_refuses_everything_limits_the_rate():
    run = sweep(inject("rate limit", 51).system, 51)
    refused = [
        step.model_copy(update={"samples": 0, "throughput_per_s": 0.0, "limited_rate": 1.0})
        for step in steps_of(run)
    ]

    answer = explain(run.samples, run.telemetry, refused, None, None)

    assert (answer.cause.kind, answer.cause.service) == (CauseKind.RATE_LIMIT, "llm")
    assert answer.cause.demand_ms is None


def test_refusals_at_steps_without_any_answer_are_seen():
    run = sweep(inject("rate limit", 51).system, 51)
    first, *others = steps_of(run)
    calm = first.model_copy(update={"limited_rate": 0.0, "error_rate": 0.0})
    refused = [step.model_copy(update={"samples": 0, "mean_ms": 0.0}) for step in others]

    answer = explain(run.samples, run.telemetry, [calm, *refused], None, None)

    assert (answer.cause.kind, answer.cause.service) == (CauseKind.RATE_LIMIT, "llm")


def test_failed_requests_are_said_to_be_unexplained(locked):
    failing = [step.model_copy(update={"error_rate": 0.3}) for step in steps_of(locked)]

    answer = explain(locked.samples, locked.telemetry, failing, None, None)

    assert _told(answer, "30 % of the requests")


def test_no_steps_and_no_samples_are_refused(locked):
    with pytest.raises(ValueError, match="one scenario"):
        explain(locked.samples.iloc[:0], locked.telemetry, [], None, None)


def test_steps_of_two_scenarios_are_refused(locked):
    one, *others = steps_of(locked)
    mixed = [one.model_copy(update={"scenario": Scenario.CHAT}), *others]

    with pytest.raises(ValueError, match="one scenario"):
        explain(locked.samples, locked.telemetry, mixed, None, None)


def test_other_scenarios_in_the_tables_change_nothing(locked):
    chat = sweep(healthy(52).system, 52, scenario="chat")
    both = pd.concat([locked.samples, chat.samples], ignore_index=True)

    answer = explain(both, locked.telemetry, steps_of(locked), None, None)

    assert answer == _explained(locked)


def test_a_full_load_generator_is_not_the_targets_fault(locked):
    full = ServiceLoad(service="k6", cores=2.0, cpu_cores=1.9)
    steps = [
        step.model_copy(
            update={"services": (*(each for each in step.services if each.service != "k6"), full)}
        )
        for step in steps_of(locked)
    ]

    answer = explain(locked.samples, locked.telemetry, steps, None, None)

    assert (answer.cause.kind, answer.cause.service) == (CauseKind.UNKNOWN, "k6")
    assert answer.cause.confidence == 0.0
    assert answer.remedies == ()


def test_a_thread_that_fills_one_of_four_cores_is_a_full_cpu():
    run = sweep(inject("app cpu", 51).system, 51)
    on_four = run.telemetry.assign(
        cores=np.where(run.telemetry["service"] == "app", 4.0, run.telemetry["cores"])
    )

    cause = _explained(Run(run.samples, on_four)).cause

    assert (cause.kind, cause.service) == (CauseKind.CPU_SATURATION, "app")
    assert any("single thread" in sentence for sentence in evidence(cause))


def test_a_hop_that_does_not_time_itself_is_said_to_be_opaque():
    system = healthy(51).system
    run = sweep(system, 51)
    telemetry = run.telemetry.assign(pool_size=np.nan, pool_busy=np.nan, pool_waiting=np.nan)

    answer = _explained(Run(run.samples, telemetry))

    assert _told(answer, "db does not say what it takes itself")


def test_a_knee_beyond_the_sweep_is_said_to_be_unknown():
    run = sweep(healthy(51).system, 51)
    open_ended = Capacity(
        scenario=Scenario.RAG,
        base_ms=300.0,
        demand_ms=5.0,
        max_throughput_per_s=None,
        knee_users=None,
        knee_interval=None,
        is_reached=False,
        relative_error=0.02,
    )

    answer = _explained(run, capacity=open_ended)

    assert _told(answer, "before throughput levelled off")


def test_the_queues_demand_comes_from_the_capacity_model_where_it_saw_the_knee(locked):
    fitted = Capacity(
        scenario=Scenario.RAG,
        base_ms=300.0,
        demand_ms=41.5,
        max_throughput_per_s=24.1,
        knee_users=7.2,
        knee_interval=None,
        is_reached=True,
        relative_error=0.02,
    )

    assert _explained(locked, capacity=fitted).cause.demand_ms == 41.5


def test_missing_values_in_telemetry_are_unknown_not_zero(locked):
    blind = locked.telemetry.assign(cpu_cores=np.nan, run_queue_cores=np.nan)

    answer = _explained(Run(locked.samples, blind))

    assert answer.cause.kind is CauseKind.UNKNOWN
    assert _told(answer, "CPU of app, db, llm and vector is not known")
