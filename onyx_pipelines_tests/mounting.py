"""Real mounts for a test, which only root can make; they go with the block."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from onyx_pipelines_tests.requirements_of_tests import program, unavailable

_XFS_LEAST_BYTES = 320 << 20
DISK_BYTES = 96 << 20


class Kind(StrEnum):
    """Of mounts. A bind mount has the device number of what is around it."""

    BIND = "bind"
    TMPFS = "tmpfs"
    OVERLAY = "overlay"
    DISK = "disk"


@contextmanager
def mounted(kind: Kind, point: Path, beside: Path) -> Iterator[None]:
    """Something mounted at `point`, which exists.

    Args:
        beside: for what a mount is made of, a directory if it is not there; a bind mount is of it,
            a disk of `DISK_BYTES` is this file.
    """
    if os.geteuid() != 0:
        unavailable("only root can mount")
    if not beside.exists() and kind is not Kind.DISK:
        beside.mkdir()
    _mount(*_arguments(kind, beside), point)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)


@contextmanager
def mounted_xfs(point: Path, image: Path) -> Iterator[None]:
    """A small file system of another kind than the machine's own, in a file that is made for it."""
    if os.geteuid() != 0:
        unavailable("only root can mount")
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(_XFS_LEAST_BYTES)
    subprocess.run([program("mkfs.xfs"), "-q", image], check=True)
    _mount("-o", "loop", image, point)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)


def _arguments(kind: Kind, beside: Path) -> list[str | Path]:
    if kind is Kind.BIND:
        return ["--bind", beside]
    if kind is Kind.DISK:
        beside.touch()
        os.truncate(beside, DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", beside], check=True)
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
