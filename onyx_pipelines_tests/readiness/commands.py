"""What a page tells people to type, held against our own command line."""

from __future__ import annotations

import shlex
from typing import Any

import typer

from onyx_pipelines.cli.app import app


def assert_exists(command: str) -> None:
    """The command, and each of its options."""
    root = typer.main.get_command(app)
    words = shlex.split(command)[1:]
    context = root.make_context("onyx", list(words), resilient_parsing=True)
    node: Any = root
    while hasattr(node, "commands"):
        node = node.commands[words.pop(0)]
    known = {option for parameter in node.params for option in parameter.opts}
    assert context
    assert {word for word in words if word.startswith("--")} <= known
