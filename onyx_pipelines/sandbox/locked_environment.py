"""Virtual environments made from a lock file with hashes, for packages that collide with ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import OnyxError

_STAMP: Final = ".lock-digest"
_TIMEOUT_S: Final = 900.0


def is_made(directory: Path, lock: str) -> bool:
    """Whether it was made from this lock."""
    stamp = directory / _STAMP
    return stamp.exists() and stamp.read_text(encoding="ascii") == _digest(lock)


def make_environment(directory: Path, lock: str) -> None:
    """Install the locked packages unless they are there.

    Raises:
        OnyxError: an installation failed, with the end of what it said.
    """
    if is_made(directory, lock):
        return
    shutil.rmtree(directory, ignore_errors=True)
    run_installer([sys.executable, "-m", "venv", str(directory)])
    path = directory / "packages.lock"
    path.write_text(lock, encoding="utf-8")
    run_installer(
        [
            *(str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(path)),
        ]
    )
    (directory / _STAMP).write_text(_digest(lock), encoding="ascii")


def _digest(lock: str) -> str:
    return hashlib.sha256(lock.encode()).hexdigest()


def run_installer(command: list[str], cwd: Path | None = None) -> None:
    """Run what downloads and installs packages.

    Raises:
        OnyxError: it failed, with the end of what it said.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise OnyxError(
            f"{command[0]} could not install packages: {tail}",
            remedy="See whether packages can be downloaded, and run the command again.",
            transient=True,
        )
