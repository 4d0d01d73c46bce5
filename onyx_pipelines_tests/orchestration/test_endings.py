"""Every way in which a run can end badly, with real processes: people are told, once, and why."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.audit import api_origin, audited
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.orchestration.endings import CANCEL_ACTION
from onyx_pipelines.orchestration.notification_sensors import run_notification
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.watching import Watch
from onyx_pipelines_tests import runs_that_end_badly
from onyx_pipelines_tests.children import child
from onyx_pipelines_tests.dagster_workers import Workers, dagster_workers
from onyx_pipelines_tests.notify.outboxes import waiting_events

pytestmark = pytest.mark.slow
LOCATION = "onyx_pipelines_tests.runs_that_end_badly"
# Nobody listens there: what is told stays in the outbox, where a test reads it.
SAY_WHO_AND_WAIT = (
    "from onyx_pipelines.orchestration.launcher import WorkerIdentity as W;"
    "print(W.of_this_process().as_tag(), flush=True); input()"
)
NOBODY = "http://127.0.0.1:9/nobody"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with dagster_workers(LOCATION) as workers:
        yield workers


@dataclass
class People:
    """Those who are told by the sensor, beginning now."""

    instance: dg.DagsterInstance
    settings: Settings
    cursor: str = field(default_factory=lambda: Watch(datetime.now(UTC)).as_text())

    def hear(self, run_id: str) -> list[tuple[str, str]]:
        """(outcome, summary) of all that the sensor has told of a run, after another tick."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"onyx": OnyxSettings()}
        ) as context:
            self.cursor = run_notification.evaluate_tick(context).cursor or self.cursor
        events = waiting_events(self.settings.state_dir)
        return [(e.outcome.value, e.summary) for e in events if e.run_id == run_id]


@pytest.fixture
def people(workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    monkeypatch.setenv("ONYX_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("ONYX_SLACK_WEBHOOK_URL", NOBODY)
    return People(workers.instance, load_settings())


def test_a_worker_that_is_killed(workers: Workers, people: People) -> None:
    run_id = workers.launch("waits")
    os.kill(workers.worker_pid(run_id), signal.SIGKILL)
    workers.ended(run_id)

    [(outcome, summary)] = people.hear(run_id)

    assert outcome == "failed"
    assert "SIGKILL" in summary


def test_what_was_told_is_not_told_again(workers: Workers, people: People) -> None:
    run_id = workers.queue("waits")
    workers.instance.report_run_failed(workers.run(run_id), "on purpose")
    people.hear(run_id)

    workers.instance.add_run_tags(run_id, {"looked": "at"})

    assert people.hear(run_id) == [("failed", "on purpose")]


def test_a_launch_that_fails(workers: Workers, people: People) -> None:
    run_id = workers.launch("waits", job_in_code="was_removed")
    workers.ended(run_id)

    [(outcome, summary)] = people.hear(run_id)

    assert outcome == "failed"
    assert "was_removed" in summary


def test_a_worker_that_run_monitoring_finds_dead(workers: Workers, people: People) -> None:
    with child(SAY_WHO_AND_WAIT) as gone:
        tag = gone.line()
    run_id = workers.started("waits", tags={Tag.WORKER: tag})
    workers.monitor()

    [(outcome, summary)] = people.hear(run_id)

    assert outcome == "failed"
    assert f"process {gone.pid}" in summary
    assert "is gone" in summary


def test_a_run_that_takes_too_long(workers: Workers, people: People) -> None:
    run_id = workers.started("waits", tags={"dagster/max_runtime": "0.001"})
    workers.monitor()

    assert people.hear(run_id) == [
        ("failed", "It was ended because it took longer than 0 seconds (dagster/max_runtime).")
    ]


def test_a_run_that_never_starts(workers: Workers, people: People) -> None:
    run_id = workers.queue("waits")
    starting = dg.DagsterEvent(event_type_value="PIPELINE_STARTING", job_name="waits")
    workers.instance.report_dagster_event(starting, run_id=run_id)
    workers.monitor_until_over(run_id)

    assert people.hear(run_id) == [
        ("failed", "Run timed out due to taking longer than 1 seconds to start.")
    ]


def test_a_code_server_that_is_gone(people: People) -> None:
    with dagster_workers(LOCATION) as workers:
        people.instance = workers.instance
        os.kill(workers.server_pid(), signal.SIGKILL)
        run_id = workers.launch("waits")

        [(outcome, summary)] = people.hear(run_id)

    assert outcome == "failed"
    assert "user code server" in summary


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (runs_that_end_badly.fails, "fail: no space left"),
        (runs_that_end_badly.breaks, "break_down: ValueError: what nobody expected"),
        (runs_that_end_badly.is_refused, "already_running: a load test"),
    ],
)
def test_a_run_that_fails_by_itself(
    workers: Workers, people: People, job: dg.JobDefinition, why: str
) -> None:
    run_id = job.execute_in_process(instance=workers.instance, raise_on_error=False).run_id

    assert people.hear(run_id) == [("failed", why)]


def test_a_worker_that_is_told_to_end_by_its_host(workers: Workers, people: People) -> None:
    run_id = workers.launch("waits")
    os.kill(workers.worker_pid(run_id), signal.SIGTERM)
    workers.ended(run_id)

    [(outcome, summary)] = people.hear(run_id)

    assert outcome == "failed"
    assert "interrupted unexpectedly" in summary


class TestCancelled:
    def test_in_the_queue(self, workers: Workers, people: People) -> None:
        run_id = workers.queue("waits")
        assert workers.terminate(run_id)

        assert people.hear(run_id) == [
            ("cancelled", "It was cancelled while it waited in the queue.")
        ]

    def test_but_its_process_does_not_answer(self, workers: Workers, people: People) -> None:
        run_id = workers.started("waits")
        workers.terminate(run_id)
        workers.monitor_until_over(run_id)

        [(outcome, summary)] = people.hear(run_id)

        assert outcome == "cancelled"
        assert "still runs" in summary

    def test_by_somebody_whom_the_api_knows(self, workers: Workers, people: People) -> None:
        run_id = workers.queue("waits")
        origin = api_origin("night shift", "10.0.0.7")
        with audited(
            people.settings, action=CANCEL_ACTION, origin=origin, parameters={"run": run_id}
        ):
            workers.terminate(run_id)

        people.hear(run_id)

        [told] = [e for e in waiting_events(people.settings.state_dir) if e.run_id == run_id]
        assert told.details["cancelled by"] == "night shift (API from 10.0.0.7)"


def test_a_run_that_is_deleted_while_it_waits(workers: Workers, people: People) -> None:
    run_id = workers.queue("waits")
    people.hear(run_id)

    workers.instance.delete_run(run_id)

    [(outcome, summary)] = people.hear(run_id)
    assert outcome == "failed"
    assert "was deleted" in summary


def test_a_run_that_succeeds_after_one_that_failed_is_a_recovery(
    workers: Workers, people: People
) -> None:
    succeeds = runs_that_end_badly.succeeds
    workers.instance.report_run_failed(workers.run(workers.queue("succeeds")))
    run_id = succeeds.execute_in_process(instance=workers.instance).run_id

    assert [outcome for outcome, _ in people.hear(run_id)] == ["recovered"]


class TestOneRunIsTrouble:
    def test_a_record_that_cannot_be_read_is_told_with_what_is_known(
        self, workers: Workers, people: People
    ) -> None:
        run_id = workers.queue("fails")
        workers.instance.report_run_failed(workers.run(run_id))
        delete_events_of(workers.instance, run_id)

        [(outcome, summary)] = people.hear(run_id)

        assert (outcome, summary) == ("failed", "The run ended without a message.")

    def test_a_full_disk_puts_it_off_and_keeps_nobody_else(
        self, workers: Workers, people: People
    ) -> None:
        run_id = workers.queue("fails")
        workers.instance.report_run_failed(workers.run(run_id), "on purpose")
        folder = people.settings.state_dir / "notify"
        folder.write_text("no directory can be made here")
        first = people.hear(run_id)
        folder.unlink()

        assert first == []
        assert people.hear(run_id) == [("failed", "on purpose")]


def delete_events_of(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.event_log_storage.delete_events(run_id)
