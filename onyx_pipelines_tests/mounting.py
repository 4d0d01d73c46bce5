"""Real mounts for a test, which only root can make; they go with the block."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

from onyx_pipelines_tests.requirements_of_tests import program, unavailable

DISK_BYTES = 96 << 20


class Kind(StrEnum):
    """Of mounts. A bind mount has the device number of what is around it."""

    BIND = "bind"
    TMPFS = "tmpfs"
    OVERLAY = "overlay"
    DISK = "disk"
    XFS = "xfs"


# How large, and made by what.
_IMAGES: Final[dict[Kind, tuple[int, tuple[str, ...]]]] = {
    Kind.DISK: (DISK_BYTES, ("mkfs.ext4", "-q", "-F")),
    Kind.XFS: (320 << 20, ("mkfs.xfs", "-q")),
}


@contextmanager
def mounted(kind: Kind, point: Path, beside: Path) -> Iterator[None]:
    """Something mounted at `point`, which exists.

    Args:
        beside: for what a mount is made of, a directory if it is not there; a bind mount is of it,
            a disk of `DISK_BYTES`, or the least that XFS takes, is this file.
    """
    if os.geteuid() != 0:
        unavailable("only root can mount")
    if not beside.exists() and kind not in _IMAGES:
        beside.mkdir()
    _mount(*_arguments(kind, beside), point)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)


def _arguments(kind: Kind, beside: Path) -> list[str | Path]:
    if kind is Kind.BIND:
        return ["--bind", beside]
    if kind in _IMAGES:
        size_bytes, command = _IMAGES[kind]
        beside.touch()
        os.truncate(beside, size_bytes)
        subprocess.run([program(command[0]), *command[1:], beside], check=True)
        return ["-o", "loop", beside]
    if kind is Kind.TMPFS:
        return ["-t", "tmpfs", "-o", "size=256m", "none"]
    return ["-t", "overlay", "-o", overlay_options(beside), "none"]


def overlay_options(beside: Path) -> str:
    """Of an overlay whose layers are made there, all empty."""
    for name in ("lower", "upper", "work"):
        (beside / name).mkdir()
    return f"lowerdir={beside}/lower,upperdir={beside}/upper,workdir={beside}/work"


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)
