"""`onyx`: the commands. Each is loaded when it is called: all of them take a second of CPU."""

from __future__ import annotations

import gc
import os
import sys
import uuid
from collections import UserDict
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.logs import process_fields
from onyx_pipelines.core.process_log import begin_log
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.settings.layers import STACK_VARIABLE, config_paths

# Command → the module of this folder that has it, and its name there; in the order of the help.
_PLACES = {
    "drill": ("drill", "drill"),
    "restore": ("restore", "restore"),
    "verify": ("catalog", "verify"),
    "prune": ("catalog", "prune"),
    "hold": ("catalog", "hold"),
    "release": ("catalog", "release"),
    "doctor": ("backup", "doctor"),
    "health": ("health", "health"),
    "triage": ("triage", "triage"),
    "rehearse": ("rehearse", "rehearse"),
    "incident": ("incident", "app"),
    "config": ("config", "app"),
    "api": ("api", "app"),
    "audit": ("audit", "app"),
    "backup": ("backup", "app"),
    "catalog": ("catalog", "app"),
    "errors": ("errors", "app"),
    "keys": ("keys", "app"),
    "launch": ("launch", "app"),
    "load-test": ("load_test", "app"),
    "metrics": ("metrics", "app"),
    "monitoring": ("monitoring", "app"),
    "sandbox": ("sandbox", "app"),
}


class _Commands(UserDict[str, Any]):
    """Every command by its name; one that is asked for is loaded."""

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if super().__getitem__(name) is None:
            self[name] = _load(name)
        found: TyperCommand | TyperGroup = super().__getitem__(name)
        return found


class _Onyx(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(dict.fromkeys(_PLACES))

    def list_commands(self, _: object) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    cls=_Onyx,
    # Brackets in a help text are brackets.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _about(
    stack: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The stack, where ONYX_CONFIG names the files of several."
        ),
    ] = "",
) -> None:
    """Runs a self-hosted RAG stack safely: backups, restores, load tests, monitoring, incidents. It
    works while everything else is down. Exit codes: 0 fine, 1 the answer is bad, 2 could not do it,
    130 interrupted."""
    if stack:
        _choose(stack)


def _choose(stack: str) -> None:
    """From here on this process, and what it starts, is about that stack."""
    if len(config_paths()) > 1:
        os.environ[STACK_VARIABLE] = stack
        begin_log()
    elif load_settings().stack != stack:
        raise SettingsError(
            f"There is no stack {stack}: this is {load_settings().stack or 'one without a name'}.",
            remedy="Name the file of each stack in ONYX_CONFIG (docs/stacks.md).",
        )


def main() -> object:
    """Run the command that the process was given."""
    begin_log()
    with process_fields(run=str(uuid.uuid4())):
        return run(sys.argv[1:])


def run(words: Sequence[str]) -> object:
    """Run a command; gives its exit code, or raises what `ending` makes one of."""
    return command()(list(words) or ["--help"], prog_name="onyx", standalone_mode=False)


@cache
def command() -> Callable[..., object]:
    """Made once per process."""
    return get_command(app)


def _load(name: str) -> object:
    module, attribute = _PLACES[name]
    # What is loaded stays: looking for garbage among it would be a tenth of the time.
    is_whole_process = not gc.isenabled()
    gc.disable()
    try:
        found = getattr(import_module(f"onyx_pipelines.cli.{module}"), attribute)
        if is_whole_process:
            gc.freeze()
    finally:
        gc.enable()
    part = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        part.add_typer(found, name=name)
    else:
        part.command(name)(found)
    return get_group(part).commands[name]
