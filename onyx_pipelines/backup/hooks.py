"""Commands that the settings want before and after the backup of a component."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import Redactor, logger
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.host.processes import ProgramError, text_of
from onyx_pipelines.sources.source import Component

_log = logger("hooks")


class HookError(OnyxError):
    """A command before or after the backup of a component failed or took too long.

    Cause: the command itself; its last lines are quoted, and all that it wrote is in the log.
    Remedy: run it by hand, mend it or its `time_limit_s` in the configuration file. After one that
        fails before, nothing of the component is in the set; one that fails after may have left
        undone what the one before did.
    """

    code = "hook"


@contextmanager
def hooks_around(settings: Settings, component: Component) -> Iterator[None]:
    """Run what is to run before; and after, however the block or that ended.

    Raises:
        HookError: one failed; those after are all tried, and the first error is the one raised.
    """
    hooks = [hook for hook in settings.hooks if hook.component == component.value]
    try:
        for hook in hooks:
            for command in hook.before:
                _run(settings, component, "before", command, hook.time_limit_s)
        yield
    except BaseException:
        for error in _after(settings, component):
            _log.error("%s", error)
        raise
    failed = list(_after(settings, component))
    for error in failed[1:]:
        _log.error("%s", error)
    if failed:
        raise failed[0]


def _after(settings: Settings, component: Component) -> Iterator[HookError]:
    for hook in settings.hooks:
        for command in hook.after if hook.component == component.value else ():
            try:
                _run(settings, component, "after", command, hook.time_limit_s)
            except HookError as error:
                yield error


def _run(
    settings: Settings, component: Component, when: str, command: Iterable[str], limit_s: float
) -> None:
    words, secrets = list(command), secret_values(settings)
    name = f"The hook {when} {component.value} ({words[0]})"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ONYX_", "DAGSTER_"))
    }
    try:
        said = text_of(
            words, environment=environment, timeout_s=limit_s, secrets=secrets, with_stderr=True
        )
    except ProgramError as error:
        raise HookError(
            f"{name}: {error.what}", remedy="Run it by hand, or correct it in the file."
        ) from None
    _log.info("%s is done: %s", name, Redactor(secrets).clean(said.strip()) or "it said nothing")
