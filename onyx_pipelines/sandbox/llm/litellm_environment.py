"""A virtual environment of its own for LiteLLM, whose pinned packages collide with ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import OnyxError

_STAMP: Final = ".lock-digest"
_TIMEOUT_S: Final = 900.0


def default_directory() -> Path:
    """Beside the virtual environment that runs this."""
    return Path(sys.prefix).with_name(".venv-litellm")


def is_made(directory: Path) -> bool:
    """Whether it was made from the lock of today."""
    stamp = directory / _STAMP
    return stamp.exists() and stamp.read_text(encoding="ascii") == _digest()


def make_environment(directory: Path) -> Path:
    """Install the locked packages unless they are there; gives the `litellm` program.

    Raises:
        OnyxError: an installation failed, with the end of what it said.
    """
    program = directory / "bin" / "litellm"
    if is_made(directory):
        return program
    shutil.rmtree(directory, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(directory)])
    lock = directory / "litellm.lock"
    lock.write_text(_lock(), encoding="utf-8")
    _run(
        [
            *(str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(lock)),
        ]
    )
    (directory / _STAMP).write_text(_digest(), encoding="ascii")
    return program


def _lock() -> str:
    return (files("onyx_pipelines.sandbox.llm") / "litellm.lock").read_text(encoding="utf-8")


def _digest() -> str:
    return hashlib.sha256(_lock().encode()).hexdigest()


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise OnyxError(
            f"LiteLLM's environment could not be made: {tail}",
            remedy="See whether packages can be downloaded, and run the command again.",
            transient=True,
        )
