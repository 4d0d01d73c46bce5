"""Private directories for scratch: what a kill leaves of one, the next run finds and removes.

Each has a lock file beside it, made first and removed last, held (flock) as long as its owner
lives. So a directory whose lock can be taken belongs to nobody, whatever killed its owner.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import NotFoundError, RestoreError, SettingsError
from onyx_pipelines.host.locks import HeldLock, take_lock
from onyx_pipelines.host.tree_removal import remove_tree

_log = logging.getLogger(__name__)

SCRATCH_PREFIX: Final = "onyx-scratch-"
_LOCK_SUFFIX: Final = ".lock"
RESERVE_BYTES: Final = 64 << 20


class OwnedDirectory:
    """A directory and the lock that says that we live. Made by `create_owned` and `abandoned`."""

    def __init__(self, path: Path, lock: HeldLock) -> None:
        self.path = path
        self._lock = lock

    def remove(self) -> None:
        """Remove it with its lock. Raises OSError: what is left, a later run sweeps."""
        try:
            remove_tree(self.path)
            _lock_path(self.path).unlink(missing_ok=True)
        finally:
            self.release()

    def release(self) -> None:
        """Leave it to whoever sweeps."""
        self._lock.release()


def create_owned(parent: Path, *, prefix: str = SCRATCH_PREFIX) -> OwnedDirectory:
    """A new empty directory, mode 0700, below `parent`, which must exist.

    Raises:
        RestoreError: it cannot be made.
    """
    while True:
        path = parent / f"{prefix}{secrets.token_hex(8)}"
        lock = None
        try:
            lock = _take(path, os.O_EXCL)
            if lock is None:
                continue  # a sweep took it for a dead one's in this instant
            path.mkdir(mode=0o700)
            path.chmod(0o700)  # whatever the umask, and the parent's default access list
        except OSError as error:
            if lock is not None:
                lock.release()
                with suppress(OSError):
                    _lock_path(path).unlink(missing_ok=True)
            raise RestoreError(
                f"No scratch directory can be made in {parent} ({error.strerror}).",
                remedy="Create that directory, owned by this user and with room, or name another.",
            ) from None
        return OwnedDirectory(path, lock)


def scratch_root(configured: Path | None) -> Path:
    """Where what is restored for a look goes: made if need be, enterable for other users, whom
    PostgreSQL may run as. None: this user's own below /var/tmp.

    Raises:
        NotFoundError: it cannot be used.
    """
    directory = configured or (
        Path("/var/tmp") / f"{SCRATCH_PREFIX}{os.geteuid()}"  # noqa: S108  (owner is checked below)
    )
    try:
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        if directory.stat().st_uid != os.geteuid():
            directory = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX))
            directory.chmod(0o711)
    except OSError as error:
        raise NotFoundError(
            f"The scratch directory {directory} cannot be used ({error.strerror}).",
            remedy="Set ONYX_SCRATCH_DIR to one that this user can write to.",
        ) from None
    return directory


@contextmanager
def private_workdir(parent: Path, *, prefix: str = SCRATCH_PREFIX) -> Iterator[Path]:
    """A private directory for the block, removed however it ends.

    Raises:
        RestoreError: it cannot be made.
    """
    owned = create_owned(parent, prefix=prefix)
    try:
        yield owned.path
    finally:
        try:
            owned.remove()
        except OSError as error:
            _log.warning("%s is left for the next run to remove (%s)", owned.path, error)


def abandoned(parent: Path, *, prefix: str = SCRATCH_PREFIX) -> Iterator[OwnedDirectory]:
    """Those below `parent` whose owner is dead, now ours: remove or release each.

    Never one of another user, and nothing that is no plain directory.
    """
    for path in _candidates(parent, prefix):
        try:
            lock = _take(path)
        except OSError:
            continue  # of another user, or no file of ours
        if lock is None:
            continue
        if not _is_ours(path):
            lock.release()
            continue
        yield OwnedDirectory(path, lock)


def sweep_workdirs(
    parent: Path,
    *,
    prefix: str = SCRATCH_PREFIX,
    before_removal: Callable[[Path], None] = lambda _: None,
) -> list[Path]:
    """Remove what dead owners left; returns the directories. What resists is logged and left.

    Args:
        before_removal: called with each, e.g. to stop a server that outlived its owner.
    """
    swept: list[Path] = []
    for directory in abandoned(parent, prefix=prefix):
        try:
            before_removal(directory.path)
            directory.remove()
        except OSError as error:
            _log.warning("%s could not be removed (%s)", directory.path, error)
        else:
            swept.append(directory.path)
        finally:
            directory.release()
    return swept


def shortage_bytes(
    directory: Path, needed_bytes: int, *, reserve_bytes: int = RESERVE_BYTES
) -> int:
    """By how much its file system is too small for that; 0 if it is not. It need not exist.

    Args:
        reserve_bytes: what must stay free for others.

    Raises:
        OSError: its file system does not tell.
    """
    while not directory.exists():
        directory = directory.parent
    return max(0, needed_bytes + reserve_bytes - free_bytes(directory))


def free_bytes(directory: Path) -> int:
    """What this user may still write to its file system. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def refuse_inside_volumes(directory: Path, volumes: Mapping[str, Path]) -> None:
    """A drill must not write into what it is to protect, by whatever name.

    Raises:
        SettingsError: `directory` is or lies in one of the volumes.
    """
    above = [_identity(folder) for folder in _with_parents(directory)]
    for name, path in volumes.items():
        identity = _identity(path)
        if identity is not None and identity in above:
            raise SettingsError(
                f"The scratch directory {directory} lies in the volume {name} ({path}).",
                remedy="Name a directory outside of every volume of ONYX_VOLUMES.",
            )


def _with_parents(directory: Path) -> list[Path]:
    resolved = directory.resolve()
    return [resolved, *resolved.parents]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + _LOCK_SUFFIX)


def _take(path: Path, flags: int = 0) -> HeldLock | None:
    """Its lock, if it is free and still the one that others would look at."""
    # Made anew where somebody deleted it: a directory without its lock has no living owner.
    lock = take_lock(_lock_path(path), flags=os.O_CREAT | flags)
    if lock is not None and not lock.is_at(_lock_path(path)):
        lock.release()
        return None
    return lock


def _candidates(parent: Path, prefix: str) -> list[Path]:
    pattern = re.compile(re.escape(prefix) + "[0-9a-f]{16}")
    try:
        names = os.listdir(parent)  # noqa: PTH208  (names only, and one call)
    except OSError:
        return []
    found = {name.removesuffix(_LOCK_SUFFIX) for name in names}
    return sorted(parent / name for name in found if pattern.fullmatch(name))


def _is_ours(path: Path) -> bool:
    """The lock alone, whose directory is gone or was never made, is too."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
