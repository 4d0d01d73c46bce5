"""A real code server on an instance of its own: runs go through the queue and are processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from onyx_pipelines.core.names import Tag
from onyx_pipelines.orchestration.launcher import WorkerIdentity
from onyx_pipelines_tests.waiting import PATIENCE_S, wait_until

_INSTANCE = {
    "run_launcher": {
        "module": "onyx_pipelines.orchestration.launcher",
        "class": "MonitoredRunLauncher",
    },
    "run_coordinator": {
        "module": "dagster.core.run_coordinator",
        "class": "QueuedRunCoordinator",
    },
    "run_monitoring": {
        "enabled": True,
        # As short as it goes: whoever looks, looks after the limit.
        "start_timeout_seconds": 1,
        "cancel_timeout_seconds": 1,
        "free_slots_after_run_end_seconds": 60,
    },
}


@dataclass(frozen=True)
class Workers:
    """One code location; what the daemon does is done by hand, when a test wants it."""

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    module: str

    def queue(
        self,
        job: str,
        *,
        tags: dict[str, str] | None = None,
        config: Mapping[str, object] | None = None,
        job_in_code: str = "",
    ) -> str:
        """`job_in_code`: what its process looks for, if that is another one."""
        context = self.workspace.create_request_context()
        [repository] = context.get_code_location(self.module).get_repositories().values()
        remote = repository.get_full_job(job)
        definition = job_of(self.module, job)
        origin = remote.get_remote_origin()
        run = self.instance.create_run_for_job(
            definition,
            run_config=config,
            tags={**definition.tags, **(tags or {})},
            remote_job_origin=RemoteJobOrigin(origin.repository_origin, job_in_code or job),
            job_code_origin=remote.get_python_origin(),
        )
        self.instance.submit_run(run.run_id, context)
        return run.run_id

    def dequeue(self) -> None:
        with QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon:
            list(daemon.run_iteration(self.workspace))

    def launch(self, job: str, **options: object) -> str:
        run_id = self.queue(job, **options)  # type: ignore[arg-type]  # keywords that a test names
        self.dequeue()
        return run_id

    def started(self, job: str, **options: object) -> str:
        """One that counts as started, without a process."""
        run_id = self.queue(job, **options)  # type: ignore[arg-type]  # keywords that a test names
        for kind in ("PIPELINE_STARTING", "PIPELINE_START"):
            event = dg.DagsterEvent(event_type_value=kind, job_name=job)
            self.instance.report_dagster_event(event, run_id=run_id)
        return run_id

    def server_pid(self) -> int:
        """Of the code server."""
        [server] = self.workspace._grpc_server_registry._all_processes
        return int(server.pid)

    def monitor(self) -> None:
        """One look of the daemon's run monitoring."""
        log = logging.getLogger("monitor")
        assert [
            each for each in execute_run_monitoring_iteration(self.workspace, log) if each
        ] == []

    def monitor_until_over(self, run_id: str) -> None:
        def is_over() -> bool:
            self.monitor()
            return self.run(run_id).is_finished

        wait_until(is_over, f"{run_id} is given up")

    def terminate(self, run_id: str) -> bool:
        """As the UI and the API do."""
        return bool(self.instance.run_coordinator.cancel_run(run_id))

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def is_in(self, run_id: str, step: str) -> bool:
        """Whether the step has begun."""
        begun = dg.DagsterEventType.STEP_START
        return any(e.step_key == step for e in self.instance.all_logs(run_id, of_type=begun))

    def retries(self, run_id: str) -> int:
        """Of all its steps."""
        return len(self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY))

    def worker_pid(self, run_id: str) -> int:
        """Of the run's process, as soon as it has said who it is."""
        wait_until(lambda: Tag.WORKER in self.run(run_id).tags, f"{run_id} names its process")
        return WorkerIdentity.from_tag(self.run(run_id).tags[Tag.WORKER]).pid

    def ended(self, run_id: str, *, within_s: float = PATIENCE_S) -> dg.DagsterRun:
        wait_until(lambda: self.run(run_id).is_finished, f"{run_id} ends", within_s=within_s)
        return self.run(run_id)


def job_of(module: str, name: str) -> dg.JobDefinition:
    imported = __import__(module, fromlist=["defs"])
    job: dg.JobDefinition = imported.defs.resolve_job_def(name)
    return job


@contextmanager
def dagster_workers(module: str) -> Iterator[Workers]:
    """With the code location of a module, in whose server the environment of now holds."""
    target = ModuleTarget(
        module_name=module, attribute=None, working_directory=None, location_name=module
    )
    with (
        dg.instance_for_test(overrides=_INSTANCE) as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        yield Workers(instance, workspace, module)
