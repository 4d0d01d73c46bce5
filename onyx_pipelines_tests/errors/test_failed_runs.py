"""A failed run is an event, a scheduled one a check-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from onyx_pipelines.core.schedules import Schedule
from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.context import SentryErrorContext
from onyx_pipelines.errors.failed_runs import FailedRun, Failure, check_in_of, event_of
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.errors.sensors import error_reports
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines_tests.backup.job_runs import run_job
from onyx_pipelines_tests.errors.fake_tracker import FakeTracker
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

RUN = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
URL = f"https://dagster.example.org/runs/{RUN}"
STACK = (
    '  File "/x/site-packages/dagster/core.py", line 3, in run\n    y()\n'
    '  File "/app/onyx_pipelines/backup/x.py", line 12, in dump\n'
)
FAILED = FailedRun(
    RUN,
    "nightly_backup",
    "postgres_backup: it broke",
    datetime(2026, 11, 27, 2, 1, tzinfo=UTC),
    stack="blue",
    step="postgres_backup",
    assets=("postgres_backup",),
    remedy="Start it.",
    failure=Failure("SourceError", "no server", STACK, Failure("OSError", "refused")),
)
SETTINGS = ErrorSettings(sentry_environment="staging", sentry_release="onyx@1.4.2")


def test_it_says_job_step_asset_run_link_and_remedy_and_passes_the_scrubber() -> None:
    event = Scrubber()(event_of(FAILED, SETTINGS, URL))

    assert event["contexts"]["dagster"] == {
        "job": "nightly_backup",
        "step": "postgres_backup",
        "asset": ["postgres_backup"],
        "run_id": RUN,
        "run_url": URL,
        "remedy": "Start it.",
    }
    assert event["tags"] == {
        "job": "nightly_backup",
        "step": "postgres_backup",
        "asset": "postgres_backup",
        "stack": "blue",
    }
    assert (event["environment"], event["release"]) == ("staging", "onyx@1.4.2")
    assert event["timestamp"] == "2026-11-27T02:01:00+00:00"


def test_its_exceptions_are_the_causes_first_with_files_and_lines() -> None:
    cause, failure = event_of(FAILED, SETTINGS, URL)["exception"]["values"]

    assert (cause["type"], failure["type"]) == ("OSError", "SourceError")
    assert failure["stacktrace"]["frames"] == [
        {"filename": "dagster/core.py", "function": "run", "lineno": 3, "in_app": False},
        {
            "filename": "onyx_pipelines/backup/x.py",
            "function": "dump",
            "lineno": 12,
            "in_app": True,
        },
    ]


def test_a_run_that_failed_in_no_step_says_why() -> None:
    killed = replace(FAILED, step="", assets=(), failure=None, remedy="")
    event = event_of(killed, SETTINGS, "")

    assert event["exception"]["values"] == [
        {"type": "RunFailed", "value": "postgres_backup: it broke"}
    ]
    assert event["contexts"]["dagster"] == {"job": "nightly_backup", "run_id": RUN}


def test_the_same_run_is_the_same_event() -> None:
    first, again = (event_of(FAILED, SETTINGS, URL)["event_id"] for _ in range(2))
    other = event_of(replace(FAILED, run_id="another"), SETTINGS, URL)["event_id"]

    assert first == again
    assert first != other


def test_a_check_in_makes_its_monitor() -> None:
    schedule = Schedule("0 2 * * *", timedelta(days=1))
    item = Scrubber()(
        check_in_of("nightly_backup", RUN, "ok", schedule, SETTINGS, longest_s=7200, took_s=61.5)
    )

    assert item["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 2 * * *"},
        "timezone": "UTC",
        "checkin_margin": 10,
        "max_runtime": 120,
        "failure_issue_threshold": 1,
        "recovery_threshold": 1,
    }
    assert (item["monitor_slug"], item["status"], item["duration"]) == (
        "nightly-backup",
        "ok",
        61.5,
    )


@pytest.fixture
def tracker(volume_host: HostUnderTest) -> Iterator[FakeTracker]:
    with FakeTracker() as tracker:
        volume_host.set(
            SENTRY_DSN=tracker.dsn,
            ERROR_PSEUDONYM_KEY="key of the tests",
            DAGSTER_PUBLIC_URL="http://dagster",
        )
        yield tracker


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> str:
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"onyx": OnyxSettings()}
    ) as context:
        return str(error_reports.evaluate_tick(context).cursor)


def test_a_failed_backup_is_one_event_and_a_missed_check_in(
    volume_host: HostUnderTest, instance: dg.DagsterInstance, tracker: FakeTracker
) -> None:
    volume_host.set(VOLUMES="data=/nowhere")

    run_job(instance)
    tick(instance, tick(instance))

    [run] = instance.get_runs()
    check_in, event = map(json.loads, (each.split(b"\n")[2] for each in tracker.envelopes))
    assert (check_in["type"], check_in["status"]) == ("check_in", "error")
    assert event["contexts"]["dagster"]["step"] == "volumes_backup"
    assert event["contexts"]["dagster"]["asset"] == ["volumes_backup"]
    assert event["contexts"]["dagster"]["run_url"] == f"http://dagster/runs/{run.run_id}"
    found = SentryErrorContext.of(event)
    assert found.system_context.service_name == "onyx-dagster"
    assert found.session_id.startswith("p-")


def test_without_a_dsn_nothing_is_reported(
    volume_host: HostUnderTest, instance: dg.DagsterInstance
) -> None:
    run_job(instance)
    tick(instance)

    assert not volume_host.settings.error_spool.exists()
