"""What a run of a backup job holds: the settings, its backup id, and the host's exclusive lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.errors import AlreadyRunningError
from onyx_pipelines.run_launcher import WORKER_TAG, WorkerIdentity
from onyx_pipelines.settings import Settings, load_settings
from onyx_pipelines.vault.lock import ExclusiveLock

BACKUP_ID_TAG = "onyx/backup_id"
EXCLUSIVE_TAGS = {"onyx/exclusive": "heavy"}


class OnyxSettings(dg.ConfigurableResource[None]):
    """The settings of this host, read from the environment when a run or a tick asks for them."""

    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings that differ from the environment; for tests."
    )

    def load(self) -> Settings:
        return load_settings(self.overrides)


class BackupRun(dg.ConfigurableResource[None]):
    """Held for a whole run: one backup at a time on this host, and never beside a load test.

    The lock is the kernel's, so it is free as soon as the run's process is gone, however it went.
    A re-execution has its root run's id and continues the same set.
    """

    onyx: OnyxSettings

    _host: BackupHost | None = PrivateAttr(default=None)
    _backup_id: str = PrivateAttr(default="")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Any]:
        run = context.run
        if run is None:
            raise dg.DagsterInvariantViolationError("BackupRun exists only inside a run.")
        self._backup_id = run.tags.get(BACKUP_ID_TAG) or run.root_run_id or run.run_id
        if context.instance is not None:
            context.instance.add_run_tags(
                run.run_id, {WORKER_TAG: WorkerIdentity.of_this_process().as_tag()}
            )
        settings = self.onyx.load()
        try:
            with ExclusiveLock(settings.state_dir, run.job_name, self._backup_id):
                self._host = open_host(settings)
                yield self
        except AlreadyRunningError as error:
            raise dg.Failure(
                description=error.what,
                metadata={"status": "already_running", "remedy": error.remedy},
                allow_retries=False,
            ) from None

    @property
    def host(self) -> BackupHost:
        if self._host is None:
            raise dg.DagsterInvariantViolationError("BackupRun is used outside of a run.")
        return self._host

    @property
    def backup_id(self) -> str:
        return self._backup_id
