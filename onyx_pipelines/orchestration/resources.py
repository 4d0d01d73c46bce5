"""What every run of ours needs, whatever it is for: settings, and the host's exclusive lock."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from onyx_pipelines.core.errors import AlreadyRunningError, OnyxError
from onyx_pipelines.core.logs import logger, process_fields
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.process_log import begin_log
from onyx_pipelines.core.settings import BackupSettings, HostSettings, Settings, load_settings
from onyx_pipelines.core.settings.layers import stack_names
from onyx_pipelines.orchestration.launcher import WorkerIdentity
from onyx_pipelines.orchestration.stacks import request_of, stack_of
from onyx_pipelines.vault.lock import ExclusiveLock, current_holder

_log = logger("stacks")


@dataclass(frozen=True)
class InEach:
    """What came of something that was done for each stack. `failed`: those where it could not."""

    text: str
    failed: tuple[str, ...] = ()


def nothing_configured(settings: BackupSettings) -> str:
    """Why nothing is launched, as in a fresh clone; "" where anything is configured: whoever
    configured a part of it hears of the rest as a failed run."""
    if settings.backs_up:
        return ""
    return (
        "Nothing is configured: ONYX_PG_HOST, ONYX_QDRANT_URL, ONYX_VOLUMES and"
        " ONYX_OFFSITE_URL are empty."
    )


class OnyxSettings(dg.ConfigurableResource[None]):
    """The settings of this host, read from the environment when a run or a tick asks for them."""

    # Settings that differ from it. Every plain field would be offered in each launchpad.
    overrides: dg.ResourceDependency[dict[str, Any]]
    # Of the stacks, where there are several: as they were when Dagster loaded its definitions.
    stacks: dg.ResourceDependency[tuple[str, ...]]

    _stack: str = PrivateAttr(default="")

    def __init__(self, **data: Any) -> None:
        if "stacks" not in data:
            data["stacks"] = () if data.get("overrides", {}).get("stack") else stack_names()
        super().__init__(**{"overrides": {}, **data})

    def load(self, stack: str = "") -> Settings:
        """Of `stack`; "": in a run, of the stack that the run is about.

        Raises:
            SettingsError: they are not valid, or there are several stacks and none is named.
        """
        of = stack or self._stack
        return load_settings({**self.overrides, "stack": of} if of else self.overrides)

    def concerned(self, stack: str) -> list[Settings]:
        """Of that stack; of a run that names none of several, of all of them.

        Raises:
            SettingsError: they are not valid.
        """
        return [self.load(each) for each in ((stack,) if stack else self.stacks or ("",))]

    def partition_of(self, settings: HostSettings) -> str:
        """What Dagster calls the stack of these settings; "" where it is the only one."""
        return settings.stack if self.stacks else ""

    def in_each(self, do: Callable[[Settings], str]) -> InEach:
        """Do something for each stack, which says what came of it. What fails for one of several
        keeps nothing from the others."""
        if not self.stacks:
            return InEach(do(self.load()))
        said, failed = [], []
        for stack in self.stacks:
            try:
                said.append(f"{stack}: {do(self.load(stack))}")
            except (OnyxError, OSError) as error:
                _log.error("stack %s: %s", stack, error)
                said.append(f"{stack}: {error}")
                failed.append(stack)
        return InEach(" ".join(said), tuple(failed))

    def on_schedule(
        self, request: dg.RunRequest, why_not: Callable[[Settings], str] = nothing_configured
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """`request` for each stack that `why_not` gives no reason against. One of several whose
        settings are wrong is asked for too: it is a failed run."""
        wanted: list[str] = []

        def decide(settings: Settings) -> str:
            reason = why_not(settings)
            if not reason:
                wanted.append(self.partition_of(settings))
            return reason

        said = self.in_each(decide)
        requests = [request_of(stack, request) for stack in (*wanted, *said.failed)]
        return requests or dg.SkipReason(said.text)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Any]:
        """JSON lines of this process, in the run's standard error, name the run until it ends."""
        run = context.run
        self._stack = stack_of(run) if self.stacks else ""
        if self.stacks and run is None:
            begin_log()
        else:
            begin_log(self.load())
        fields = {"run": run.run_id, "job": run.job_name} if run else {}
        with process_fields(**fields, **({"stack": self._stack} if self._stack else {})):
            yield self


@contextmanager
def held_exclusively(
    context: dg.InitResourceContext, settings: HostSettings, holder: str
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
