"""Directories held open by their descriptors, never through a symbolic link; and the way down a
tree, on which only the lower ones are."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Directories kept open at a time; deeper trees come back up through `..`, checked.
MAX_OPEN_LEVELS: Final = 64


@contextmanager
def opened(name: bytes | Path, parent_fd: int | None = None) -> Iterator[int]:
    """A directory, which is no symbolic link. Raises OSError."""
    fd = os.open(name, DIRECTORY_FLAGS, dir_fd=parent_fd)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def opened_below(fd: int, names: Sequence[bytes]) -> Iterator[int]:
    """The directory of these names, each in the one before, however many; `fd` stays open.

    Raises:
        OSError: one is not there, or is a symbolic link.
    """
    below = os.open(".", DIRECTORY_FLAGS, dir_fd=fd)
    try:
        for name in names:
            above, below = below, os.open(name, DIRECTORY_FLAGS, dir_fd=below)
            os.close(above)
        yield below
    finally:
        os.close(below)


def identity_of(fd: int) -> tuple[int, int]:
    """Device and inode."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


class Level:
    """One directory on the way, whose descriptor it owns."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.identity = identity_of(fd)

    @property
    def is_open(self) -> bool:
        return self.fd >= 0

    def close(self) -> None:
        if self.is_open:
            os.close(self.fd)
            self.fd = -1


AnyLevel = TypeVar("AnyLevel", bound=Level)


class Levels(Generic[AnyLevel]):
    """From the root down to `last`, which is open."""

    def __init__(self) -> None:
        self._levels: list[AnyLevel] = []

    def __bool__(self) -> bool:
        return bool(self._levels)

    @property
    def last(self) -> AnyLevel:
        return self._levels[-1]

    def enter(self, level: AnyLevel) -> None:
        self._levels.append(level)
        if len(self._levels) > MAX_OPEN_LEVELS:
            self._levels[-MAX_OPEN_LEVELS - 1].close()

    @contextmanager
    def leaving(self) -> Iterator[AnyLevel]:
        """What was the last, for the block; the one above it is open again.

        Raises:
            OSError: that cannot be, or it was moved.
        """
        left = self._levels.pop()
        try:
            if self._levels and not self.last.is_open:
                self.last.fd = os.open("..", DIRECTORY_FLAGS, dir_fd=left.fd)
                if identity_of(self.last.fd) != self.last.identity:
                    raise OSError(errno.ESTALE, "a directory was moved meanwhile")
            yield left
        finally:
            left.close()

    def close(self) -> None:
        for level in self._levels:
            level.close()
