"""A store in a directory: on this host's disk, on a second disk or on a network mount.

Temporary name, fsync, rename, fsync of the directories: an object is there whole or not at all.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat as file_types
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.host.durable_files import sync_folder
from onyx_pipelines.vault.stores.store import (
    SMALL_OBJECT_LIMIT_BYTES,
    ObjectReader,
    ObjectWriter,
    Removed,
    StoredObject,
    check_key,
    is_key,
    read_small,
)

TEMPORARY_PREFIX = ".onyx-unfinished-"
_WRITE_BACK_BYTES = 16 * 1024 * 1024

_TRANSIENT = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ECONNRESET,
    }
)
_REMEDIES = {
    errno.ENOSPC: "Free space on that disk (see `onyx prune`) or move the store to a larger one.",
    errno.EDQUOT: "Raise the quota of this user or free space under it.",
    errno.EFBIG: "Raise the limit on the size of one file (ulimit -f, or the file system's own).",
    errno.EROFS: "Mount the file system for writing; if it was remounted read-only, check the disk"
    " (dmesg).",
    errno.EACCES: "Give this user the directory: chown it, mode 0700.",
    errno.EPERM: "Give this user the directory: chown it, mode 0700.",
    errno.EIO: "Check the disk (dmesg, smartctl): it returns errors.",
}


class LocalStore:
    """Objects as files of mode 0600 below `root`, which must exist."""

    def __init__(self, root: Path, *, name: str = "local") -> None:
        self._root = Path(os.path.abspath(root))  # noqa: PTH100  (a link stays a link in messages)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def url(self) -> str:
        return self._root.as_uri()

    @property
    def root(self) -> Path:
        return self._root

    @property
    def versions(self) -> None:
        return None

    @property
    def locks(self) -> None:
        return None

    @contextmanager
    def create(self, key: str) -> Iterator[ObjectWriter]:
        target = self._path(key)
        with self._translated(f"write {key}"):
            self._require_root()
            temporary, fd = self._open_temporary(target.parent)
        try:
            with closing(_Writer(self, key, fd)) as writer:
                yield writer
                writer.sync()
            with self._translated(f"write {key}"):
                temporary.replace(target)
                self._sync_directories(target.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    @contextmanager
    def open(self, key: str) -> Iterator[ObjectReader]:
        path = self._path(key)
        with self._translated(f"read {key}"):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except (FileNotFoundError, NotADirectoryError):
                self._require_root()
                raise self._absent(key) from None
        try:
            with self._translated(f"read {key}"):
                info = os.fstat(fd)
            if not file_types.S_ISREG(info.st_mode):
                raise self._absent(key)
            yield _Reader(self, key, fd, info.st_size)
        finally:
            os.close(fd)

    def put(self, key: str, data: bytes) -> None:
        with self.create(key) as writer:
            writer.write(data)

    def get(self, key: str, *, limit_bytes: int = SMALL_OBJECT_LIMIT_BYTES) -> bytes:
        return read_small(self, key, limit_bytes)

    def stat(self, key: str) -> StoredObject | None:
        path = self._path(key)
        with self._translated(f"look at {key}"):
            try:
                info = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                self._require_root()
                return None
        return _stored(key, info) if file_types.S_ISREG(info.st_mode) else None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder, _, _ = prefix.rpartition("/")
        with self._translated(f"list {prefix}"):
            self._require_root()
            for key, path in _walk(self._root, f"{folder}/" if folder else ""):
                if not key.startswith(prefix) or not is_key(key):
                    continue
                with suppress(FileNotFoundError):  # deleted since its directory was read
                    info = os.lstat(path)
                    if file_types.S_ISREG(info.st_mode):
                        yield _stored(key, info)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._translated(f"delete {key}"):
            self._require_root()
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            _sync_directory(path.parent)
            _remove_empty(_folders(self._root, path.parent)[:-1])

    def sweep(self, prefix: str, *, older_than: datetime, dry_run: bool = False) -> Removed:
        folder, _, _ = prefix.rpartition("/")
        removed: Removed = []
        with self._translated(f"sweep {prefix}"):
            self._require_root()
            for key, found in _walk(self._root, f"{folder}/" if folder else ""):
                path = Path(found)
                if not key.startswith(prefix) or not path.name.startswith(TEMPORARY_PREFIX):
                    continue
                with suppress(FileNotFoundError):  # removed meanwhile
                    if _modified(path.lstat()) < older_than:
                        if not dry_run:
                            path.unlink()
                            _remove_empty(_folders(self._root, path.parent)[:-1])
                        removed.append(key)
        return sorted(removed)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _absent(self, key: str) -> NotFoundError:
        return NotFoundError(
            f"{key} is not in {self.url}.", remedy="`onyx catalog list` shows what there is."
        )

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise StoreError(
                f"The directory of the {self._name} store is missing: {self._root}.",
                remedy=f"Mount its disk, or create it (install -d -m 0700 {self._root}).",
            )

    def _open_temporary(self, folder: Path) -> tuple[Path, int]:
        for attempt in range(10):
            temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
            try:
                self._make_directories(folder)
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                # A delete removed an empty directory between two of these calls.
                if attempt == 9:
                    raise
                continue
            os.fchmod(fd, 0o600)
            return temporary, fd
        raise AssertionError("unreachable")

    def _make_directories(self, folder: Path) -> None:
        for directory in reversed(_folders(self._root, folder)[:-1]):
            try:
                directory.mkdir(mode=0o700)
            except FileExistsError:
                continue
            directory.chmod(0o700)

    def _sync_directories(self, folder: Path) -> None:
        for directory in _folders(self._root, folder):
            _sync_directory(directory)

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.failure(action, error) from error

    def failure(self, action: str, error: OSError) -> StoreError:
        code = error.errno or 0
        reason = os.strerror(code) if code else type(error).__name__
        return StoreError(
            f"Cannot {action} in the {self._name} store {self._root}: {reason}.",
            remedy=_REMEDIES.get(code, "Check that disk or mount, then run this again."),
            transient=code in _TRANSIENT,
        )


class _Writer:
    def __init__(self, store: LocalStore, key: str, fd: int) -> None:
        self._store = store
        self._key = key
        self._fd = fd
        self._size = 0
        self._writing_back_from = 0
        self._failure: StoreError | None = None

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        with memoryview(data).cast("B") as view:
            done = 0
            try:
                while done < len(view):
                    done += os.write(self._fd, view[done:])
                self._size += done
                if self._size - self._writing_back_from >= _WRITE_BACK_BYTES:
                    self._write_back()
            except OSError as error:
                self._failure = self._store.failure(f"write {self._key}", error)
                raise self._failure from error
            return done

    def _write_back(self) -> None:
        """Let the disk begin with what was written, so that little is left for `sync`: on Linux
        this advice starts writing dirty pages, and drops only those that are on the disk."""
        start, self._writing_back_from = self._writing_back_from, self._size
        os.posix_fadvise(self._fd, start, self._size - start, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        if self._failure:  # whoever wrote went on after an error: the file has a hole
            raise self._failure
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._store.failure(f"write {self._key}", error) from error

    def close(self) -> None:
        try:
            os.close(self._fd)
        except OSError as error:
            raise self._store.failure(f"write {self._key}", error) from error


class _Reader:
    def __init__(self, store: LocalStore, key: str, fd: int, size_bytes: int) -> None:
        self._store = store
        self._key = key
        self._fd = fd
        self._left = size_bytes

    def read(self, size: int, /) -> bytes:
        if size < 0:
            raise ValueError("read needs a size")
        chunks: list[bytes] = []
        wanted = min(size, self._left)
        while wanted:
            try:
                chunk = os.read(self._fd, wanted)
            except OSError as error:
                raise self._store.failure(f"read {self._key}", error) from error
            if not chunk:
                raise StoreError(
                    f"{self._key} in {self._store.url} ended {self._left} bytes early.",
                    remedy="Something truncates files of the store while they are read: find out"
                    " what, then run this again.",
                )
            chunks.append(chunk)
            wanted -= len(chunk)
            self._left -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _folders(root: Path, folder: Path) -> list[Path]:
    """`folder` and its parents up to the root, which is the last."""
    depth = len(folder.relative_to(root).parts)
    return [folder, *folder.parents][: depth + 1]


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove directories, innermost first, as far as they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _walk(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """Key and path of every entry below `folder` that is no directory, in the keys' order. Paths as
    text: of tens of thousands, making a `Path` takes longer than asking the disk."""
    base = f"{root}/"
    try:
        with os.scandir(base + folder) as scan:
            entries = sorted(
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in scan
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.endswith("/"):
            yield from _walk(root, folder + entry)
        else:
            yield folder + entry, base + folder + entry


def _sync_directory(folder: Path) -> None:
    with suppress(FileNotFoundError):  # emptied and removed by another process in this instant
        sync_folder(folder)


def _modified(info: os.stat_result) -> datetime:
    return datetime.fromtimestamp(info.st_mtime, UTC)


def _stored(key: str, info: os.stat_result) -> StoredObject:
    return StoredObject(key, info.st_size, _modified(info))
