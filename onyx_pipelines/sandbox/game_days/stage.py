"""A sandbox that is up, watched, backed up and drilled, for as long as it is rehearsed in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.host.locks import lock
from onyx_pipelines.sandbox.game_days.only_sandbox import LOCK, require_sandbox
from onyx_pipelines.sandbox.game_days.terminal import Terminal
from onyx_pipelines.sandbox.monitoring import programs

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

Say = Callable[[str], None]

# The machine is others' too: how busy it is, is none of the sandbox's incidents.
THRESHOLDS: Final = Thresholds(resources=1)
# What every scenario needs, besides what the sandbox itself is made of.
NEEDED: Final = (
    *(programs.PROMETHEUS, programs.ALERTMANAGER, programs.REDIS, programs.NGINX),
    *(programs.OPENSSL, *programs.EXPORTERS),
)
_SIZE: Final = 0.1


@contextmanager
def stage(sandbox: Sandbox, say: Say = lambda _: None) -> Iterator[None]:
    """A sandbox that is up, watched and well backed up; left running, or not, as it was found.

    Raises:
        NotTheSandboxError: it is something else.
        NotFoundError: this machine lacks a program.
        OnyxError: it is rehearsed in already, or a server did not start.
    """
    require_sandbox(sandbox)
    if missing := [each.package for each in NEEDED if each.path is None]:
        raise NotFoundError(
            "The sandbox cannot be watched here: programs are missing.",
            remedy=f"apt-get install {' '.join(sorted(set(missing)))}",
        )
    was_up = sandbox.postgres.pid is not None
    was_watched = sandbox.monitoring.prometheus.pid is not None
    sandbox.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    with lock(sandbox.state_dir / LOCK) as is_ours:
        if not is_ours:
            raise OnyxError(
                f"Somebody rehearses in {sandbox.state_dir} already.", remedy="Wait for the end."
            )
        _forget_told(sandbox)
        try:
            up(sandbox, say)
            _back_up(sandbox, say)
            yield
        finally:
            _leave(sandbox, was_up=was_up, was_watched=was_watched)


def _forget_told(sandbox: Sandbox) -> None:
    """An alert that fired when the sandbox was taken down is one that Alertmanager takes for told:
    it would say nothing when that comes again."""
    alertmanager = sandbox.monitoring.alertmanager
    if alertmanager.pid is None:
        shutil.rmtree(alertmanager.state_dir / "data", ignore_errors=True)


def up(sandbox: Sandbox, say: Say = lambda _: None) -> None:
    """All of it runs and is watched.

    Raises:
        OnyxError: a server did not start.
    """
    sandbox.monitoring.thresholds = THRESHOLDS
    sandbox.up(size=_SIZE, monitoring=True, say=say)


def _back_up(sandbox: Sandbox, say: Say) -> None:
    """A recent backup, and a drill of it: without them the stack is not well."""
    terminal = Terminal(sandbox)
    answer = terminal.asked("onyx health --json")
    conditions = {each["area"]: each["condition"] for each in answer["areas"]}
    for area, command in (("backups", "onyx backup run"), ("drills", "onyx drill")):
        if conditions.get(area) != "ok":
            say(f"$ {command}")
            said = terminal.type(command)
            if said.exit_status != 0:
                raise OnyxError(
                    f"`{command}` in the sandbox ended with {said.exit_status}:"
                    f" {said.output[-500:]}",
                    remedy="Read what it said.",
                )


def _leave(sandbox: Sandbox, *, was_up: bool, was_watched: bool) -> None:
    if not was_up:
        sandbox.down(keep_data=True)
    elif not was_watched:
        sandbox.monitoring.down()
