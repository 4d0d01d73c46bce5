"""Locks among the processes of this host (flock): whatever kills the holder frees its lock.

A forked child does not have what its parent holds: it shares the open file, so its copy is closed
at the fork, and the holder unlocks before it closes.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FIRST_POLL_S = 0.002
_LONGEST_POLL_S = 0.05
_held: set[HeldLock] = set()


def _close_in_child() -> None:
    """Unlocking would take the lock from the parent."""
    for each in _held:
        os.close(each.descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


class HeldLock:
    """Ours until `release`. Made by `take_lock`. `descriptor`: of the file, to read and write."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @property
    def is_held(self) -> bool:
        """By this process; a forked child holds nothing."""
        return self in _held

    def is_at(self, path: Path) -> bool:
        """Whether others who open `path` look at this file: nobody has removed or replaced it."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self.descriptor), path.lstat())
        return False

    def release(self) -> None:
        """Free it for others; does nothing where it is not held."""
        if self.is_held:
            _held.remove(self)
            # Not by closing alone: a child may have been forked and not have begun its program.
            with suppress(OSError):
                fcntl.flock(self.descriptor, fcntl.LOCK_UN)
            os.close(self.descriptor)


def take_lock(
    path: Path, *, shared: bool = False, patience_s: float = 0, flags: int = os.O_CREAT
) -> HeldLock | None:
    """Lock a file, made with mode 0600 where it is missing; None: somebody else held it for all of
    `patience_s`. A lock file that several use must never be removed.

    Args:
        shared: with others who share it; else alone.
        flags: of `open`; without O_CREAT the file must be there, and is only read.

    Raises:
        OSError: it cannot be opened.
    """
    access = os.O_RDWR if flags & os.O_CREAT else os.O_RDONLY
    descriptor = os.open(path, access | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o600)
    lock = HeldLock(descriptor)
    _held.add(lock)
    try:
        if _locked(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience_s):
            return lock
    except BaseException:
        lock.release()
        raise
    lock.release()
    return None


@contextmanager
def lock(path: Path, *, shared: bool = False, patience_s: float = 0) -> Iterator[bool]:
    """Whether the lock is ours while the block runs; see `take_lock`."""
    taken = take_lock(path, shared=shared, patience_s=patience_s)
    try:
        yield taken is not None
    finally:
        if taken is not None:
            taken.release()


def _locked(descriptor: int, mode: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    pause_s = _FIRST_POLL_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_POLL_S)
