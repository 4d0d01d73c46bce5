"""A volume's tree in a fixed order with bounded memory, through directory descriptors.

Never follows a symbolic link. Names of a directory come sorted by their bytes, a directory before
what it holds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.host.directories import DIRECTORY_FLAGS, MAX_OPEN_LEVELS, Level, Levels
from onyx_pipelines.host.mounts import pseudo_devices
from onyx_pipelines.sources.volumes.excludes import ExcludeRule

# Names of one directory kept in memory at a time; a larger one is listed again for the next.
NAMES_PER_PASS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Found:
    """One path. Usable only until the walk goes on, because descriptors are closed then.

    `file` is its lstat, None if even that failed. `fd` is a directory's own descriptor, None if it
    could not be opened or is not entered. `error` says what failed.
    """

    path: bytes
    name: bytes
    parent_fd: int
    file: os.stat_result | None
    fd: int | None = None
    error: OSError | None = None
    is_pseudo: bool = False


class Walk:
    """Iterate it once. `excluded` counts what the rule left out so far."""

    def __init__(self, root_fd: int, is_excluded: ExcludeRule) -> None:
        self.excluded = 0
        self._root_fd = root_fd
        self._is_excluded = is_excluded
        self._levels = Levels[_Level]()

    def __iter__(self) -> Iterator[Found]:
        try:
            yield self._enter_root()
            while self._levels:
                name = self._levels.last.next_name()
                if name is None:
                    self._leave()
                else:
                    yield from self._visit(name)
        finally:
            self._levels.close()

    def _enter_root(self) -> Found:
        try:
            # Opened again, so that closing the levels leaves the caller's descriptor alone.
            fd = os.open(".", DIRECTORY_FLAGS, dir_fd=self._root_fd)
            file = os.fstat(fd)
            level = _Level(b"", fd)
            self._levels.enter(level)
            level.list()
        except OSError as error:
            raise SourceError(
                f"The root directory of a volume cannot be listed ({error.strerror}).",
                remedy="Check the file system that the volume lies on, and who may read it.",
            ) from None
        return Found(b".", b".", fd, file, fd=fd)

    def _visit(self, name: bytes) -> Iterator[Found]:
        level = self._levels.last
        path = level.prefix + name
        try:
            file = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
        except OSError as error:
            if not self._is_excluded(path, is_directory=False):
                yield Found(path, name, level.fd, None, error=error)
            return
        is_directory = stat.S_ISDIR(file.st_mode)
        if self._is_excluded(path, is_directory=is_directory):
            self.excluded += 1
        elif not is_directory:
            yield Found(path, name, level.fd, file)
        elif file.st_dev != level.identity[0] and file.st_dev in pseudo_devices():
            yield Found(path, name, level.fd, file, is_pseudo=True)
        else:
            yield from self._enter(path, name, level.fd, file)

    def _enter(
        self, path: bytes, name: bytes, parent_fd: int, file: os.stat_result
    ) -> Iterator[Found]:
        try:
            fd = os.open(name, DIRECTORY_FLAGS, dir_fd=parent_fd)
        except OSError as error:
            yield Found(path, name, parent_fd, file, error=error)
            return
        level = _Level(path + b"/", fd)
        try:
            level.list()
        except OSError as error:
            yield Found(path, name, parent_fd, file, fd=fd, error=error)
            level.close()
            return
        self._levels.enter(level)
        yield Found(path, name, parent_fd, file, fd=fd)

    def _leave(self) -> None:
        try:
            with self._levels.leaving():
                pass
        except OSError:
            raise SourceError(
                f"A directory {MAX_OPEN_LEVELS} levels deep was moved while it was read.",
                remedy="Run the backup again, or stop what moves directories meanwhile.",
                transient=True,
            ) from None


class _Level(Level):
    """One directory that is being walked."""

    def __init__(self, prefix: bytes, fd: int) -> None:
        super().__init__(fd)
        self.prefix = prefix
        self._names: list[bytes] = []
        self._after: bytes | None = None
        self._is_complete = False

    def list(self) -> None:
        """Read the next names, in reverse order for `pop`. Raises OSError."""
        names, self._is_complete = smallest_names(self.fd, self._after, NAMES_PER_PASS)
        if names:
            self._after = names[-1]
        names.reverse()
        self._names = names

    def next_name(self) -> bytes | None:
        if not self._names and not self._is_complete:
            try:
                self.list()
            except OSError as error:
                raise SourceError(
                    f"A large directory could not be listed to its end ({error.strerror}).",
                    remedy="Check the file system of the volume.",
                ) from None
        return self._names.pop() if self._names else None


def smallest_names(fd: int, after: bytes | None, limit: int) -> tuple[list[bytes], bool]:
    """The `limit` smallest names above `after`, sorted, and whether no larger one is left.

    Memory is bounded by `limit`, whatever the directory holds; it is read once per call.
    """
    names: list[bytes] = []
    is_complete = True
    bound: bytes | None = None
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if after is not None and name <= after:
                continue
            if bound is not None and name > bound:
                continue
            names.append(name)
            if len(names) >= 2 * limit:
                names.sort()
                del names[limit:]
                bound = names[-1]
                is_complete = False
    names.sort()
    if len(names) > limit:
        del names[limit:]
        is_complete = False
    return names, is_complete


def measure_bytes(root_fd: int, is_excluded: ExcludeRule, *, max_entries: int) -> int | None:
    """Sum of the sizes of the regular files, for a progress bar; None past `max_entries`."""
    total = 0
    for count, found in enumerate(Walk(root_fd, is_excluded)):
        if count >= max_entries:
            return None
        if found.file is not None and stat.S_ISREG(found.file.st_mode):
            total += found.file.st_size
    return total
