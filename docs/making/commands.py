"""docs/reference/commands.md, written from the command line itself: every command, every option."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, get_args

import typer

from docs.making.words import anchor, one_line
from onyx_pipelines.cli.app import command
from onyx_pipelines.reporting.markdown import code, table

_HEAD: Final = """# Commands

Generated from the command line by `make docs`; do not edit. [The command line](../command_line.md)
says what all commands share: exit codes, what goes to which stream, errors as JSON.

"""
_EVERYWHERE: Final = frozenset({"--help", "--install-completion", "--show-completion"})


def page() -> str:
    """The whole page."""
    found = list(_commands(command(), "onyx"))
    contents = table(
        ["command", "what it does"],
        [[f"[`{name}`](#{anchor(name)})", _first_line(each)] for name, each in found],
    )
    return _HEAD + contents + "\n" + "".join(_section(name, each) for name, each in found)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(None):
        found = group.commands[name]
        if hasattr(found, "commands"):
            if found.invoke_without_command:
                yield f"{path} {name}", found
            yield from _commands(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


def _section(name: str, each: Any) -> str:
    usage = each.get_usage(typer.Context(each, info_name=name)).removeprefix("Usage: ")
    options = [param for param in each.params if not _EVERYWHERE.intersection(param.opts)]
    text = f"\n## {name}\n\n```text\n{usage}\n```\n\n{each.help}\n"
    if not options:
        return text
    rows = [[_names(param), _value(param), _meaning(param)] for param in options]
    return f"{text}\n{table(['argument or option', 'value', 'meaning'], rows)}\n"


def _names(param: Any) -> str:
    if param.opts == [param.name]:
        return f"`{param.metavar or param.name.upper()}`"
    return ", ".join(f"`{each}`" for each in [*param.opts, *param.secondary_opts])


def _value(param: Any) -> str:
    if getattr(param, "is_flag", False) or getattr(param, "is_bool_flag", False):
        return ""
    kind = param.type_descriptor.annotation
    several = " (several times)" if param.multiple else ""
    inner = next(iter(get_args(kind)), kind)
    if isinstance(inner, type) and issubclass(inner, Enum):
        return ", ".join(code(str(each.value)) for each in inner) + several
    name = getattr(inner, "__name__", str(inner)).lower()
    return {"str": "text", "int": "whole number", "float": "number"}.get(name, name) + several


def _meaning(param: Any) -> str:
    text = one_line(param.help)
    default = param.default
    if param.required:
        return f"{text} **Required.**"
    shown = default.value if isinstance(default, Enum) else default
    if callable(shown) or shown in (None, "", False, True, ()) or not param.show_default:
        return text
    return f"{text} Default: {code(str(shown))}."


def _first_line(each: Any) -> str:
    return one_line(each.help.split("\n\n")[0])
