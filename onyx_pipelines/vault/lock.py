"""Locks that die with whoever holds them: one exclusive task per host, and sets that are in use.

On files that are never deleted, so nothing can be left locked and no two files compete.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from onyx_pipelines.core.errors import AlreadyRunningError, SettingsError
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings.host import STACKS_FOLDER
from onyx_pipelines.core.text import second_text
from onyx_pipelines.host.locks import HeldLock, take_lock

_FILE = "exclusive.lock"
_HOST_FILE = "host.lock"
# Their figures are worth nothing beside the work of another stack.
_ALONE = frozenset({Job.LOAD_TEST, "load test", Job.DRILL, "restore drill"})
# `current_holder` takes the lock for an instant to see whether it is free.
_PATIENCE_S = 0.5


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
        self._lock: HeldLock | None = None
        self._beside: HeldLock | None = None

    def __enter__(self) -> Self:
        """Take the lock of this stack, and a part in the host's: what measures has it alone.

        Raises:
            AlreadyRunningError: names who holds it.
            SettingsError: the state directory cannot be used.
        """
        self._lock = _take(self._state_dir, _FILE, patience_s=_PATIENCE_S)
        if self._lock is None:
            raise _already_running(_read_holder(self._state_dir))
        is_shared = self._purpose not in _ALONE
        self._beside = _take(
            _of_all_stacks(self._state_dir), _HOST_FILE, shared=is_shared, patience_s=_PATIENCE_S
        )
        if self._beside is None:
            self._lock.release()
            raise _already_running(None)
        holder = Holder(os.getpid(), self._purpose, datetime.now(UTC), self._backup_id)
        text = json.dumps({**asdict(holder), "since": holder.since.isoformat()})
        _write_holder(self._lock, text)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock and self._lock.is_held:
            _write_holder(self._lock, "")
            self._lock.release()
        if self._beside and self._beside.is_held:
            self._beside.release()
        self._lock = None


def current_holder(state_dir: Path) -> Holder | None:
    """Who holds the exclusive lock of this host now, or None."""
    try:
        free = take_lock(_folder(state_dir) / _FILE, shared=True, flags=0)
    except FileNotFoundError:
        return None
    if free:
        free.release()
        return None
    return _read_holder(state_dir) or Holder(0, "unknown", datetime.now(UTC), "")


@contextmanager
def set_in_use(state_dir: Path, backup_id: str) -> Iterator[None]:
    """While the block runs, `prune` leaves this set alone. Several may use a set at a time."""
    lock = _take(state_dir, _set_file(backup_id), shared=True, patience_s=math.inf)
    try:
        yield
    finally:
        if lock:
            lock.release()


@contextmanager
def set_to_delete(state_dir: Path, backup_id: str) -> Iterator[bool]:
    """Whether nobody uses the set; if so nobody can begin to before the block ends."""
    lock = _take(state_dir, _set_file(backup_id))
    try:
        yield lock is not None
    finally:
        if lock:
            lock.release()


def _set_file(backup_id: str) -> str:
    # 256 files for all sets, since a lock file must not be deleted. Two sets that share one only
    # put off a deletion.
    slot = backup_id[:2]
    if not re.fullmatch("[0-9a-f]{2}", slot):
        raise ValueError(f"{backup_id!r} is not a lower-case UUID")
    return f"set-{slot}.lock"


def _of_all_stacks(state_dir: Path) -> Path:
    return state_dir.parents[1] if state_dir.parent.name == STACKS_FOLDER else state_dir


def _folder(state_dir: Path) -> Path:
    return state_dir / "locks"


def _take(
    state_dir: Path, name: str, *, shared: bool = False, patience_s: float = 0
) -> HeldLock | None:
    folder = _folder(state_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return take_lock(folder / name, shared=shared, patience_s=patience_s)
    except OSError as error:
        raise SettingsError(
            f"The state directory {state_dir} cannot be used ({error.strerror}).",
            remedy="Give this user that directory, or set ONYX_STATE_DIR to another one.",
        ) from error


def _write_holder(lock: HeldLock, text: str) -> None:
    os.ftruncate(lock.descriptor, 0)
    os.pwrite(lock.descriptor, text.encode(), 0)


def _read_holder(state_dir: Path) -> Holder | None:
    """None where the holder has not written its name yet."""
    try:
        values = json.loads((_folder(state_dir) / _FILE).read_bytes())
        return Holder(**{**values, "since": datetime.fromisoformat(values["since"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _already_running(holder: Holder | None) -> AlreadyRunningError:
    if holder is None:
        what = "Another task of this host has just begun, or runs for another stack."
    else:
        of_set = f", set {holder.backup_id}" if holder.backup_id else ""
        what = (
            f"A {holder.purpose} already runs on this host: process {holder.pid}{of_set}, since"
            f" {second_text(holder.since)}."
        )
    return AlreadyRunningError(
        what,
        remedy="Wait until it has ended; if it hangs, end that process: its lock ends with it.",
    )
