"""Locks that die with whoever holds them: one exclusive task per host, and sets that are in use.

flock on files that are never deleted, so nothing can be left locked and no two files compete.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from onyx_pipelines.errors import AlreadyRunningError, SettingsError

_FILE = "exclusive.lock"
# `current_holder` takes the lock for an instant to see whether it is free.
_PATIENCE_S = 0.5
_open_locks: set[int] = set()


def _close_in_child() -> None:
    """A forked child shares the lock through its copy of the file: closing the copy frees us of
    it, while unlocking would take the lock from the parent."""
    for fd in _open_locks:
        os.close(fd)
    _open_locks.clear()


os.register_at_fork(after_in_child=_close_in_child)


@dataclass(frozen=True)
class Holder:
    """Who holds the exclusive lock. `since` is in UTC; `backup_id` is "" for other tasks."""

    pid: int
    purpose: str
    since: datetime
    backup_id: str


class ExclusiveLock:
    """A context manager: no other process, thread or purpose holds the lock of this host.

    Args:
        state_dir: on a local disk; the same one for every process of the host.
        purpose: for people, e.g. "backup" or "load test".
        holder: id of the set that is being written, if one is: sweeps leave it alone.
    """

    def __init__(self, state_dir: Path, purpose: str, holder: str = "") -> None:
        self._state_dir = state_dir
        self._purpose = purpose
        self._backup_id = holder
        self._fd: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            AlreadyRunningError: names who holds it.
            SettingsError: the state directory cannot be used.
        """
        fd = _open(self._state_dir, _FILE)
        if not _try_lock(fd, fcntl.LOCK_EX, patience_s=_PATIENCE_S):
            holder = _read_holder(fd)
            _close(fd)
            raise _already_running(holder)
        self._fd = fd
        holder = Holder(os.getpid(), self._purpose, datetime.now(UTC), self._backup_id)
        _write_holder(fd, json.dumps({**asdict(holder), "since": holder.since.isoformat()}))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd in _open_locks:  # not so in a forked child, which never held it
            _write_holder(self._fd, "")
            _close(self._fd)
        self._fd = None


def current_holder(state_dir: Path) -> Holder | None:
    """Who holds the exclusive lock of this host now, or None."""
    try:
        fd = os.open(state_dir / "locks" / _FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(fd, fcntl.LOCK_SH, patience_s=0):
            return None
        return _read_holder(fd) or Holder(0, "unknown", datetime.now(UTC), "")
    finally:
        os.close(fd)


@contextmanager
def set_in_use(state_dir: Path, backup_id: str) -> Iterator[None]:
    """While the block runs, `prune` leaves this set alone. Several may use a set at a time."""
    fd = _open(state_dir, _set_file(backup_id))
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        _close(fd)


@contextmanager
def set_to_delete(state_dir: Path, backup_id: str) -> Iterator[bool]:
    """Whether nobody uses the set; if so nobody can begin to before the block ends."""
    fd = _open(state_dir, _set_file(backup_id))
    try:
        yield _try_lock(fd, fcntl.LOCK_EX, patience_s=0)
    finally:
        _close(fd)


def _set_file(backup_id: str) -> str:
    # 256 files for all sets, since a lock file must not be deleted. Two sets that share one only
    # put off a deletion.
    slot = backup_id[:2]
    if not re.fullmatch("[0-9a-f]{2}", slot):
        raise ValueError(f"{backup_id!r} is not a lower-case UUID")
    return f"set-{slot}.lock"


def _open(state_dir: Path, name: str) -> int:
    folder = state_dir / "locks"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(
            f"The state directory {state_dir} cannot be used ({error.strerror}).",
            remedy="Give this user that directory, or set ONYX_STATE_DIR to another one.",
        ) from error
    _open_locks.add(fd)
    return fd


def _close(fd: int) -> None:
    if fd in _open_locks:
        _open_locks.remove(fd)
        os.close(fd)


def _try_lock(fd: int, mode: int, *, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _write_holder(fd: int, text: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)


def _read_holder(fd: int) -> Holder | None:
    """None where the holder has not written its name yet."""
    try:
        values = json.loads(os.pread(fd, 65536, 0))
        return Holder(**{**values, "since": datetime.fromisoformat(values["since"])})
    except (ValueError, TypeError, KeyError):
        return None


def _already_running(holder: Holder | None) -> AlreadyRunningError:
    if holder is None:
        what = "Another task of this host has just begun."
    else:
        of_set = f", set {holder.backup_id}" if holder.backup_id else ""
        what = (
            f"A {holder.purpose} already runs on this host: process {holder.pid}{of_set}, since"
            f" {holder.since:%Y-%m-%d %H:%M:%S} UTC."
        )
    return AlreadyRunningError(
        what,
        remedy="Wait until it has ended; if it hangs, end that process: its lock ends with it.",
    )
