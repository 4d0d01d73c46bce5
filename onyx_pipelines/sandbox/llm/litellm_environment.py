"""A virtual environment of its own for LiteLLM, whose pinned packages collide with ours."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from onyx_pipelines.sandbox import locked_environment


def default_directory() -> Path:
    """Beside the virtual environment that runs this."""
    return Path(sys.prefix).with_name(".venv-litellm")


def is_made(directory: Path) -> bool:
    """Whether it was made from the lock of today."""
    return locked_environment.is_made(directory, _lock())


def make_environment(directory: Path) -> Path:
    """Install the locked packages unless they are there; gives the `litellm` program.

    Raises:
        OnyxError: an installation failed, with the end of what it said.
    """
    locked_environment.make_environment(directory, _lock())
    return directory / "bin" / "litellm"


def _lock() -> str:
    return (files("onyx_pipelines.sandbox.llm") / "litellm.lock").read_text(encoding="utf-8")
