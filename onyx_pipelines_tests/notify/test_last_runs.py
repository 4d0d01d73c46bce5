"""How each job last ended is remembered where Dagster need not run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.notify.configured import notified
from onyx_pipelines.notify.last_runs import LastRun, LastRuns

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ended(outcome: Outcome, at: datetime = NOW) -> Event:
    return Event(outcome, "s", "r", Job.DRILL, "said", occurred_at=at)


def after(folder: Path, *events: Event) -> LastRun | None:
    runs = LastRuns(folder)
    for each in events:
        runs.note(each)
    return runs.of(Job.DRILL)


def test_before_the_first_run_there_is_none(tmp_path: Path) -> None:
    assert after(tmp_path) is None


@pytest.mark.parametrize("outcome", [Outcome.STARTED, Outcome.WARNED, Outcome.MISSED])
def test_what_is_no_end_of_a_run_changes_nothing(outcome: Outcome, tmp_path: Path) -> None:
    assert after(tmp_path, ended(outcome)) is None


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RECOVERED])
def test_a_success_is_the_last_success(outcome: Outcome, tmp_path: Path) -> None:
    found = after(tmp_path, ended(Outcome.FAILED, NOW - HOUR), ended(outcome))

    assert found == LastRun(at=NOW, outcome=outcome, succeeded_at=NOW)
    assert not found.failed


@pytest.mark.parametrize(
    ("outcome", "failed"), [(Outcome.FAILED, True), (Outcome.CANCELLED, False)]
)
def test_the_last_success_outlives_what_came_after(
    outcome: Outcome, failed: bool, tmp_path: Path
) -> None:
    found = after(tmp_path, ended(Outcome.SUCCEEDED, NOW - HOUR), ended(outcome))

    assert found == LastRun(at=NOW, outcome=outcome, succeeded_at=NOW - HOUR)
    assert found.failed is failed


def test_one_that_is_told_late_does_not_hide_a_newer_one(tmp_path: Path) -> None:
    found = after(tmp_path, ended(Outcome.SUCCEEDED), ended(Outcome.FAILED, NOW - HOUR))

    assert found is not None
    assert not found.failed


def test_a_damaged_record_is_none_and_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "last-runs").mkdir()
    (tmp_path / "last-runs" / f"{Job.DRILL}.json").write_text("{")

    assert after(tmp_path) is None
    assert after(tmp_path, ended(Outcome.SUCCEEDED)) is not None


def test_work_of_the_command_line_is_remembered_too(tmp_path: Path) -> None:
    with notified(load_settings({"state_dir": str(tmp_path)}), Job.DRILL):
        pass

    found = LastRuns(tmp_path).of(Job.DRILL)
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED
