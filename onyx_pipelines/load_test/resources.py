"""What a run of a load test holds: the settings, and the host's exclusive lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from onyx_pipelines.run_resources import OnyxSettings, held_exclusively
from onyx_pipelines.settings import Settings


class LoadTestRun(dg.ConfigurableResource[None]):
    """Held for a whole run: no backup beside a load test, which would be measured with it."""

    onyx: OnyxSettings

    _settings: Settings | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Any]:
        self._settings = self.onyx.load()
        holder = (context.run.root_run_id or context.run.run_id) if context.run else ""
        with held_exclusively(context, self._settings, holder):
            yield self

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            raise dg.DagsterInvariantViolationError("LoadTestRun is used outside of a run.")
        return self._settings
