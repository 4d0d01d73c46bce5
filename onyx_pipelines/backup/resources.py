"""What a run of a backup job holds: the host, its backup id, and the exclusive lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.core.errors import AlreadyRunningError
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import HostSettings
from onyx_pipelines.orchestration.resources import OnyxSettings, held_exclusively
from onyx_pipelines.vault.unfinished_restore import refuse_while_restoring


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
        self._backup_id = run.tags.get(Tag.BACKUP_ID) or run.root_run_id or run.run_id
        settings = self.onyx.load()
        with held_exclusively(context, settings, self._backup_id):
            _refuse_while_restoring(settings)
            self._host = open_host(settings)
            yield self

    @property
    def host(self) -> BackupHost:
        if self._host is None:
            raise dg.DagsterInvariantViolationError("BackupRun is used outside of a run.")
        return self._host

    @property
    def backup_id(self) -> str:
        return self._backup_id


def _refuse_while_restoring(settings: HostSettings) -> None:
    try:
        refuse_while_restoring(settings.state_dir)
    except AlreadyRunningError as error:
        # All in the text: Dagster drops the metadata of a failure to make a resource.
        raise dg.Failure(description=f"{error.what} {error.remedy}", allow_retries=False) from None
