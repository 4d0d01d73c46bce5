"""A run whose process is gone is found and failed; a living one never is."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from onyx_pipelines.core.names import Tag
from onyx_pipelines.orchestration.launcher import MonitoredRunLauncher, WorkerIdentity

Worker = tuple[subprocess.Popen[str], WorkerIdentity]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    launcher = {"module": "onyx_pipelines.orchestration.launcher", "class": "MonitoredRunLauncher"}
    with dg.instance_for_test(
        overrides={"run_launcher": launcher, "run_monitoring": {"enabled": True}}
    ) as instance:
        yield instance


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A real process that says who it is and then waits."""
    program = (
        "from onyx_pipelines.orchestration.launcher import WorkerIdentity as W;"
        "print(W.of_this_process().as_tag(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, WorkerIdentity.from_tag(process.stdout.readline())
        process.kill()


def started_run(instance: dg.DagsterInstance, worker: WorkerIdentity) -> dg.DagsterRun:
    return create_run_for_test(
        instance, tags={Tag.WORKER: worker.as_tag()}, status=dg.DagsterRunStatus.STARTED
    )


def status_of(instance: dg.DagsterInstance, worker: WorkerIdentity) -> WorkerStatus:
    launcher = instance.run_launcher
    assert isinstance(launcher, MonitoredRunLauncher)
    return launcher.check_run_worker_health(started_run(instance, worker)).status


def test_a_living_worker_is_running(instance: dg.DagsterInstance, worker: Worker) -> None:
    _, identity = worker

    assert status_of(instance, identity) is WorkerStatus.RUNNING


def test_a_killed_worker_is_found(instance: dg.DagsterInstance, worker: Worker) -> None:
    process, identity = worker

    process.kill()
    process.wait()

    assert status_of(instance, identity) is WorkerStatus.NOT_FOUND


def test_a_worker_that_nobody_has_waited_for_yet_counts_as_gone(
    instance: dg.DagsterInstance, worker: Worker
) -> None:
    process, identity = worker

    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert status_of(instance, identity) is WorkerStatus.NOT_FOUND


def test_another_process_with_the_same_pid_is_not_taken_for_the_worker(
    instance: dg.DagsterInstance, worker: Worker
) -> None:
    _, identity = worker
    earlier = dataclasses.replace(identity, started_ticks=identity.started_ticks - 1)

    assert status_of(instance, earlier) is WorkerStatus.NOT_FOUND


def test_a_worker_from_before_a_reboot_is_gone(
    instance: dg.DagsterInstance, worker: Worker
) -> None:
    _, identity = worker
    earlier = dataclasses.replace(identity, boot_id="another boot")

    assert status_of(instance, earlier) is WorkerStatus.NOT_FOUND


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"pid_namespace": "pid:[1]"}])
def test_a_worker_that_cannot_be_seen_from_here_is_not_declared_dead(
    instance: dg.DagsterInstance, worker: Worker, elsewhere: dict[str, str]
) -> None:
    _, identity = worker

    status = status_of(instance, dataclasses.replace(identity, **elsewhere))  # type: ignore[arg-type]  # keywords that a test names

    assert status is WorkerStatus.RUNNING


def test_run_monitoring_fails_the_run_of_a_killed_worker(
    instance: dg.DagsterInstance, worker: Worker
) -> None:
    process, identity = worker
    run = started_run(instance, identity)
    process.kill()
    process.wait()

    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
        monitor_started_run(
            instance, workspace.create_request_context(), record, logging.getLogger("monitor")
        )

    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    assert after.status is dg.DagsterRunStatus.FAILURE
