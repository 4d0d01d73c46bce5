"""Files that nobody may change, move or remove: `chattr +i`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onyx_pipelines_tests.requirements_of_tests import program, unavailable


def make_immutable(path: Path) -> None:
    is_root = os.geteuid() == 0
    if not is_root or subprocess.run([program("chattr"), "+i", path], check=False).returncode:
        unavailable("only root on some file systems can make a file immutable")


def make_mutable(path: Path) -> None:
    subprocess.run(["chattr", "-i", path], check=True)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """For the block, at whose end it is still there."""
    make_immutable(path)
    try:
        yield
    finally:
        make_mutable(path)
