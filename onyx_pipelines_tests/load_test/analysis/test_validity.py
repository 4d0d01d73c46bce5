from __future__ import annotations

import pandas as pd
import pytest

from onyx_pipelines.load_test.analysis.validity import judge_validity
from onyx_pipelines.load_test.plan import Profile, plan
from onyx_pipelines.load_test.report.sentences import broken, observed
from onyx_pipelines.load_test.results import Block, Gate, GateKind, Scenario, Validity
from onyx_pipelines.load_test.running.run_folder import UnitRecord
from onyx_pipelines_tests.load_test.factories import NOTHING, block, telemetry_of

PROFILE = Profile(
    name="small", scenarios=(Scenario.RAG,), users=20, messages=5, repeats=3, sweep_users=(1,),
    step_s=5, open_s=0,
)  # fmt: skip
UNITS = plan(PROFILE)


def baseline(mean_ms: tuple[float, ...] = (80, 80, 80), **changes: int) -> pd.DataFrame:
    return pd.concat(
        [
            block(
                Scenario.RAG, Block.BASELINE, users=20, requests=100, mean_ms=mean,
                repeat=at + 1, begin_s=5.0 * at, **changes,
            )
            for at, mean in enumerate(mean_ms)
        ],
        ignore_index=True,
    )  # fmt: skip


def records(**changes: object) -> list[UnitRecord]:
    usual = {
        "rows": 100,
        "torn": 0,
        "exit_status": 0,
        "attempts": 1,
        "started_ms": 0.0,
        "ended_ms": 5000.0,
        "generator_cpu_s": 0.5,
    }
    found = []
    for unit in UNITS:
        rows = unit.planned_requests if unit.planned_requests is not None else 50
        values = {**usual, "name": unit.name, "planned": unit.planned_requests, "rows": rows}
        if unit.name == "rag/repeat-02":
            values |= changes
        found.append(UnitRecord.model_validate(values))
    return found


def judged(
    samples: pd.DataFrame | None = None,
    done: list[UnitRecord] | None = None,
    telemetry: pd.DataFrame | None = None,
) -> Validity:
    samples = baseline() if samples is None else samples
    return judge_validity(
        UNITS,
        records() if done is None else done,
        samples,
        telemetry_of(samples) if telemetry is None else telemetry,
        cores=4,
    )


def gate(validity: Validity, kind: GateKind) -> Gate:
    return next(each for each in validity.gates if each.kind is kind)


def test_a_run_as_planned_is_valid() -> None:
    validity = judged()

    assert validity.is_valid, broken(validity)
    assert all(each.passed for each in validity.gates)


def test_a_unit_that_was_not_run_makes_it_invalid() -> None:
    assert not judged(done=records()[:-1]).is_valid


@pytest.mark.parametrize(
    "changes",
    [{"rows": 99}, {"rows": 0}, {"torn": 1}, {"exit_status": 107}, {"exit_status": -9}],
    ids=str,
)
def test_missing_rows_and_a_k6_that_failed_make_it_invalid(changes: dict[str, object]) -> None:
    found = gate(judged(done=records(**changes)), GateKind.EVERY_REQUEST)

    assert found.passed is False
    assert "rag/repeat-02: " in observed(found)


def test_an_aborted_run_says_why() -> None:
    validity = judged(done=records(aborted="30 of 40 requests failed"))

    assert "30 of 40 requests failed" in broken(validity)


def test_more_than_one_percent_of_errors_makes_it_invalid() -> None:
    assert judged(baseline(failures=1)).is_valid
    assert gate(judged(baseline(failures=2)), GateKind.FEW_ERRORS).passed is False


def test_users_that_were_idle_make_it_invalid() -> None:
    samples = baseline()
    # As if half of each answer had never been timed.
    samples[["waiting_ms"]] *= 0.4

    assert gate(judged(samples), GateKind.BUSY_USERS).passed is False


def test_a_generator_without_cpu_makes_it_invalid() -> None:
    samples = baseline()
    telemetry = telemetry_of(samples)
    telemetry.loc[telemetry["service"] == "k6", "run_queue_cores"] = 3.2

    assert gate(judged(samples, telemetry=telemetry), GateKind.SPARE_CPU).passed is (False)


def test_latency_that_drifts_makes_it_invalid() -> None:
    assert gate(judged(baseline((80, 100, 140))), GateKind.STEADY_LATENCY).passed is False


def test_answers_that_take_no_time_at_all_are_no_steady_latency() -> None:
    assert gate(judged(baseline((0, 0, 0))), GateKind.STEADY_LATENCY).passed is None


def test_what_cannot_be_seen_is_neither_kept_nor_broken() -> None:
    validity = judged(NOTHING, done=[], telemetry=telemetry_of(baseline())[:0])

    assert not validity.is_valid
    assert gate(validity, GateKind.STEADY_LATENCY).passed is None
    assert gate(validity, GateKind.SPARE_CPU).passed is None
