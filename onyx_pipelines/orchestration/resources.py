"""What every run of ours needs, whatever it is for: settings, and the host's exclusive lock."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from onyx_pipelines.core.errors import AlreadyRunningError
from onyx_pipelines.core.logs import process_fields
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.process_log import begin_log
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.orchestration.launcher import WorkerIdentity
from onyx_pipelines.vault.lock import ExclusiveLock, current_holder


class OnyxSettings(dg.ConfigurableResource[None]):
    """The settings of this host, read from the environment when a run or a tick asks for them."""

    # Settings that differ from it. Every plain field would be offered in each launchpad.
    overrides: dg.ResourceDependency[dict[str, Any]]

    def __init__(self, **data: Any) -> None:
        super().__init__(**{"overrides": {}, **data})

    def load(self) -> Settings:
        return load_settings(self.overrides)

    def on_schedule(self, request: dg.RunRequest) -> dg.RunRequest | dg.SkipReason:
        """`request`, unless nothing at all is configured, as in a fresh clone. Whoever configured
        a part of it hears of the rest as a failed run."""
        settings = self.load()
        sources = (settings.pg_host, settings.qdrant_url, settings.volumes)
        if any(sources) or settings.has_copies:
            return request
        return dg.SkipReason(
            "Nothing is configured: ONYX_PG_HOST, ONYX_QDRANT_URL, ONYX_VOLUMES and"
            " ONYX_OFFSITE_URL are empty."
        )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Any]:
        """JSON lines of this process, in the run's standard error, name the run until it ends."""
        begin_log(self.load())
        run = context.run
        with process_fields(**({"run": run.run_id, "job": run.job_name} if run else {})):
            yield self


@contextmanager
def held_exclusively(
    context: dg.InitResourceContext, settings: Settings, holder: str
) -> Iterator[None]:
    """Take the host's lock for as long as a run's process lives, and say which process it is.

    Another step of the same run may hold it already (an executor with a process per step).

    Raises:
        dg.Failure: another backup, drill or load test holds it; not to be retried.
    """
    run = context.run
    if run is None:
        raise dg.DagsterInvariantViolationError("This resource exists only inside a run.")
    if context.instance is not None:
        context.instance.add_run_tags(
            run.run_id, {Tag.WORKER: WorkerIdentity.of_this_process().as_tag()}
        )
    with ExitStack() as stack:
        try:
            stack.enter_context(ExclusiveLock(settings.state_dir, run.job_name, holder))
        except AlreadyRunningError as error:
            other = current_holder(settings.state_dir)
            if other is None or other.backup_id != holder:
                # All in the text: Dagster drops the metadata of a failure to make a resource.
                raise dg.Failure(
                    description=f"already_running: {error.what} {error.remedy}",
                    allow_retries=False,
                ) from None
        yield


class ExclusiveRun(dg.ConfigurableResource[None]):
    """Held for a whole run: nothing else that is heavy beside it."""

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
            name = type(self).__name__
            raise dg.DagsterInvariantViolationError(f"{name} is used outside of a run.")
        return self._settings
