"""Every command and group of `onyx`, found by asking it; and a way to call one in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperGroup

from onyx_pipelines.cli.app import command, run
from onyx_pipelines.terminal.ending import ended
from onyx_pipelines_tests.fixtures_sandbox import Answer


def words_of_all() -> Iterator[tuple[str, ...]]:
    """("keys",), ("keys", "create"), ..."""
    yield from _below(command(), ())


def is_group(words: tuple[str, ...]) -> bool:
    return isinstance(command_of(words), TyperGroup)


def options_of(words: tuple[str, ...]) -> set[str]:
    return {option for parameter in command_of(words).params for option in parameter.opts}


def call(capsys: pytest.CaptureFixture[str], *words: str) -> Answer:
    capsys.readouterr()
    status = ended(lambda: run(words), words)
    captured = capsys.readouterr()
    return Answer(status, captured.out, captured.err)


def command_of(words: tuple[str, ...]) -> typer.core.TyperCommand | TyperGroup:
    found = command()
    for word in words:
        assert isinstance(found, TyperGroup)
        found = found.commands[word]
    return found


def _below(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        return
    for name, each in sorted(command.commands.items()):
        yield (*words, name)
        yield from _below(each, (*words, name))
