"""`/metrics` tells how the stack is and how old each schedule is, with no Dagster that runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.core import Metric

from onyx_pipelines.core.names import Job
from onyx_pipelines.core.schedules import SCHEDULES, expected
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.health.exposition import health_metrics, schedule_metrics
from onyx_pipelines.health.verdict import Area, Condition, Finding, StackHealth
from onyx_pipelines.monitoring.metrics import LABELS, OPERATION
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.notify.last_runs import LastRuns

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
BACKS_UP = {"pg_host": "db", "load_test_url": "http://x"}


def values(metrics: list[Metric], name: str) -> dict[str, float]:
    """By the value of its only label."""
    return {
        "".join(sample.labels.values()): sample.value
        for metric in metrics
        for sample in metric.samples
        if sample.name == name
    }


def test_the_whole_and_each_component_that_is_watched_have_a_number() -> None:
    found = list(
        health_metrics(
            StackHealth(
                "",
                NOW,
                (
                    Finding(Area.BACKUPS, Condition.OK, "", NOW - timedelta(hours=1)),
                    Finding(Area.DRILLS, Condition.FAILING, ""),
                    Finding(Area.ALERTS, Condition.UNKNOWN, ""),
                    Finding(Area.SCRAPING, Condition.DEGRADED, ""),
                    Finding(Area.ERRORS, Condition.NOT_WATCHED, ""),
                ),
            )
        )
    )

    assert values(found, "onyx_stack_health") == {"": 3}
    assert values(found, "onyx_stack_health_component") == {
        "backups": 0, "drills": 3, "alerts": 2, "scraping": 1
    }  # fmt: skip
    assert values(found, "onyx_stack_health_evidence_timestamp_seconds") == {
        "backups": NOW.timestamp() - 3600
    }


def test_a_schedule_is_as_old_as_its_last_run_and_failed_as_that_did(tmp_path: Path) -> None:
    runs = LastRuns(tmp_path)
    runs.note(Event(Outcome.SUCCEEDED, "", "", Job.BACKUP, "", occurred_at=NOW))
    runs.note(Event(Outcome.FAILED, "", "", Job.DRILL, "", occurred_at=NOW))

    found = list(schedule_metrics(load_settings({"state_dir": str(tmp_path), **BACKS_UP})))

    last = values(found, "onyx_schedule_last_run_timestamp_seconds")
    assert (last[Job.BACKUP], last[Job.DRILL], last[Job.VERIFY]) == (
        NOW.timestamp(), NOW.timestamp(), 0
    )  # fmt: skip
    assert values(found, "onyx_schedule_failed")[Job.DRILL] == 1
    assert values(found, "onyx_schedule_last_success_timestamp_seconds")[Job.DRILL] == 0
    assert values(found, "onyx_schedule_interval_seconds")[Job.BACKUP] == 86400


def test_a_schedule_that_launches_nothing_here_is_not_told_of() -> None:
    assert expected(load_settings({})) == {}
    assert Job.LOAD_TEST not in expected(load_settings({"pg_host": "db"}))


def test_the_schedules_are_those_that_dagster_has() -> None:
    schedules = build_defs({}).get_repository_def().schedule_defs

    assert {each.job_name: each.cron_schedule for each in schedules} == {
        job: each.cron for job, each in SCHEDULES.items()
    }


def test_what_is_told_is_of_the_schema() -> None:
    settings = load_settings(BACKS_UP)
    found = [*health_metrics(StackHealth("", NOW, ())), *schedule_metrics(settings)]

    assert [each.name for each in found] == [each.name for each in OPERATION]
    assert {label for each in OPERATION for label in each.labels} <= LABELS
