"""Dagster's default run launcher, and what it lacks: it notices that a run's process is gone.

Without it a run that a reboot cut off stays STARTED for ever, and a concurrency limit of one lets
it block every later backup (dagster issue 4319). The private imports are why dagster is pinned
below 1.14; test_run_launcher.py kills real processes to see that this still works.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.client import DagsterGrpcClient
from dagster._serdes import ConfigurableClassData

from onyx_pipelines.core.names import Tag
from onyx_pipelines.host.background import started_ticks


@dataclass(frozen=True)
class WorkerIdentity:
    """One process for good: a pid alone is used again, also after a reboot."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started_ticks: int

    @classmethod
    def of_this_process(cls) -> WorkerIdentity:
        return cls(
            host=socket.gethostname(),
            boot_id=_boot_id(),
            pid_namespace=_pid_namespace(),
            pid=os.getpid(),
            started_ticks=started_ticks(os.getpid()) or 0,
        )

    def as_tag(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_tag(cls, tag: str) -> WorkerIdentity:
        return cls(**json.loads(tag))

    def is_alive(self) -> bool | None:
        """None where this process cannot tell: the worker ran on another host or container."""
        if self.host != socket.gethostname():
            return None
        if self.boot_id != _boot_id():
            return False
        if self.pid_namespace != _pid_namespace():
            return None
        return started_ticks(self.pid) == self.started_ticks


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _pid_namespace() -> str:
    path = Path("/proc/self/ns/pid")
    return str(path.readlink()) if path.exists() else ""


class MonitoredRunLauncher(DefaultRunLauncher):
    """Launches as Dagster's default does; run monitoring can ask whether the worker lives."""

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003  (it has no configuration)
    ) -> Self:
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        tag = run.tags.get(Tag.WORKER)
        if tag is not None:
            worker = WorkerIdentity.from_tag(tag)
            alive = worker.is_alive()
            if alive:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            if alive is False:
                return CheckRunHealthResult(
                    WorkerStatus.NOT_FOUND,
                    f"process {worker.pid} on {worker.host} is gone (killed, or the host rebooted)",
                )
        return self._ask_code_server(run)

    def _ask_code_server(self, run: DagsterRun) -> CheckRunHealthResult:
        launcher: Any = self  # Dagster leaves this method without types
        client: DagsterGrpcClient | None = launcher._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            running = client.get_current_runs()
        except DagsterUserCodeUnreachableError:
            # It may only be restarting: the next poll asks again, dagster/max_runtime ends it.
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if run.run_id in running:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server has no process for it")
