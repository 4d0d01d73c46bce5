"""Three verdicts: a verification that could not run never counts as a pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.restore.promises import (
    content_answer,
    recency_answer,
    recovery_time_answer,
    rows_answer,
    schema_answer,
)
from onyx_pipelines.restore.results import ComponentResult, DrillResult, Finding, Step, StepTiming
from onyx_pipelines.sources.source import Component

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


def finding(verdict: Verdict, aspect: str, message: str = "app.users") -> Finding:
    return Finding(verdict=verdict, item="onyx", aspect=aspect, message=message)


def drilled(*findings: Finding, restore_s: float = 10.0) -> ComponentResult:
    step = StepTiming(step=Step.RESTORE, item="onyx", offset_s=0, duration_s=restore_s)
    return ComponentResult(
        component=Component.POSTGRESQL, findings=findings, steps=(step,), plain_bytes=1
    )


def result(*components: ComponentResult, objective_s: float = 3600) -> DrillResult:
    return DrillResult(
        drill_id="d",
        backup_id="b",
        store="offsite",
        recovery_point=NOW,
        started_at=NOW,
        finished_at=NOW,
        objective_s=objective_s,
        components=components,
    )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.PASSED, Verdict.PASSED], Verdict.PASSED),
        ([Verdict.PASSED, Verdict.COULD_NOT_VERIFY], Verdict.COULD_NOT_VERIFY),
        ([Verdict.COULD_NOT_VERIFY, Verdict.FAILED], Verdict.FAILED),
        ([], Verdict.COULD_NOT_VERIFY),
    ],
)
def test_the_worst_verdict_counts(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst(verdicts) is expected


def test_a_missing_row_breaks_the_promise_about_rows_only() -> None:
    drill = drilled(finding(Verdict.FAILED, "rows"), finding(Verdict.PASSED, "schema"))

    assert rows_answer(drill).verdict is Verdict.FAILED
    assert schema_answer(drill).verdict is Verdict.PASSED


def test_a_missing_index_breaks_the_promise_about_the_schema_only() -> None:
    drill = drilled(finding(Verdict.PASSED, "rows"), finding(Verdict.FAILED, "schema"))

    assert rows_answer(drill).verdict is Verdict.PASSED
    assert schema_answer(drill).verdict is Verdict.FAILED


@pytest.mark.parametrize("aspect", ["archive", "drill"])
def test_what_stopped_the_drill_breaks_both(aspect: str) -> None:
    drill = drilled(finding(Verdict.FAILED, aspect))

    assert rows_answer(drill).verdict is schema_answer(drill).verdict is Verdict.FAILED


def test_the_answer_names_what_did_not_pass() -> None:
    drill = drilled(finding(Verdict.FAILED, "rows", "table app.users"))

    assert "table app.users" in content_answer(drill).text


def test_a_long_list_of_problems_is_counted() -> None:
    drill = drilled(*(finding(Verdict.FAILED, "rows", f"table {n}") for n in range(25)))

    assert content_answer(drill).sentences[-1] == "and 15 more"


def test_a_recovery_within_the_objective_passes() -> None:
    fast = result(drilled(finding(Verdict.PASSED, "rows"), restore_s=10))

    assert recovery_time_answer(fast).verdict is Verdict.PASSED


def test_a_recovery_beyond_the_objective_fails() -> None:
    slow = result(drilled(finding(Verdict.PASSED, "rows"), restore_s=10), objective_s=9)

    assert recovery_time_answer(slow).verdict is Verdict.FAILED


def test_times_are_told_in_the_unit_that_people_use() -> None:
    long = result(drilled(finding(Verdict.PASSED, "rows"), restore_s=4000), objective_s=90)

    assert recovery_time_answer(long).sentences == ("1 h 07 min measured, the objective of 90 s",)


def test_a_drill_that_restored_nothing_has_no_recovery_time() -> None:
    assert recovery_time_answer(result()).verdict is Verdict.COULD_NOT_VERIFY


def test_a_part_is_extrapolated_to_the_whole() -> None:
    part = drilled(finding(Verdict.PASSED, "rows"), restore_s=10).model_copy(update={"share": 0.1})

    assert recovery_time_answer(result(part, objective_s=60)).verdict is Verdict.FAILED


def test_no_drill_at_all_is_a_failure() -> None:
    assert recency_answer(None, NOW, timedelta(days=35)).verdict is Verdict.FAILED


@pytest.mark.parametrize(("days", "expected"), [(34, Verdict.PASSED), (36, Verdict.FAILED)])
def test_a_stale_drill_is_a_failure(days: int, expected: Verdict) -> None:
    answer = recency_answer(NOW - timedelta(days=days), NOW, timedelta(days=35))

    assert answer.verdict is expected
