"""What the endpoints of every resource are made with: one stack's settings, its runs in Dagster,
and its catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from onyx_pipelines.api.access import Caller
from onyx_pipelines.api.backup_status import BackupStatuses
from onyx_pipelines.api.catalog_cache import CatalogCache, health_cache
from onyx_pipelines.api.dagster_client import DagsterClient, Run
from onyx_pipelines.api.launching import Asked, Launch, Launcher
from onyx_pipelines.api.models import RunAnswer, RunState
from onyx_pipelines.audit import audited
from onyx_pipelines.core.settings import Settings

Audit = Callable[[], AbstractContextManager[object]]


class Service:
    """One stack's, for as long as the application lives; it connects to nothing before it is asked
    something.

    Args:
        settings: of this stack.
        is_one_of_several: Dagster has a partition for it.
    """

    def __init__(self, settings: Settings, *, is_one_of_several: bool = False) -> None:
        self.settings = settings
        stack = settings.stack if is_one_of_several else ""
        self.dagster = DagsterClient(settings, stack=stack)
        self.launcher = Launcher(settings, self.dagster)
        self.catalog = CatalogCache(settings)
        self.health = health_cache(settings, self.catalog)
        self.statuses = BackupStatuses(settings, self.dagster, self.catalog)

    def close(self) -> None:
        self.launcher.close()
        self.dagster.close()

    def audit(
        self,
        caller: Caller,
        action: str,
        parameters: Mapping[str, object] | None = None,
        backup_id: str | None = None,
        *,
        required: bool = False,
    ) -> Audit:
        """Gives what writes `action` of `caller` into the audit trail, around doing it."""
        return partial(
            audited,
            self.settings,
            action=f"api {action}",
            origin=caller.origin,
            parameters=parameters or {},
            backup_id=backup_id,
            required=required,
            copy=False,
        )

    def launch(self, asked: Asked, job: str, ops: Mapping[str, Any], audit: Audit) -> RunAnswer:
        """Launch a job, once for each Idempotency-Key.

        Args:
            ops: run config of each op or asset, by its name.
        """
        launch = Launch(
            job,
            config={"ops": {name: {"config": config} for name, config in ops.items()}},
            answer=RunAnswer(run_id="", status=RunState.RUNNING, job=job),
            id_field="run_id",
            audit=audit,
            tags=asked.caller.origin.as_tags(),
        )
        return self.launcher.once(asked, RunAnswer, lambda: launch)


def state_of(run: Run) -> RunState:
    if run.is_unfinished:
        return RunState.RUNNING
    return RunState.COMPLETED if run.status == "SUCCESS" else RunState.FAILED
