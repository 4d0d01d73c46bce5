"""One volume into one tar archive and its facts, in one pass.

What changes, vanishes or cannot be read is recorded and the archive stays valid; see facts.py.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.archive import headers
from onyx_pipelines.archive.attributes import NO_ATTRIBUTES, Attributes, read_attributes
from onyx_pipelines.archive.block_writer import BlockWriter
from onyx_pipelines.archive.data_map import DataMap, data_map, sparse_placeholder
from onyx_pipelines.archive.headers import EntryType, Header
from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Meter
from onyx_pipelines.sources.volumes.content import copy_content, error_name, open_for_reading
from onyx_pipelines.sources.volumes.describing import (
    ENTRY_TYPES,
    describe,
    device_numbers,
    further_name,
)
from onyx_pipelines.sources.volumes.excludes import ExcludeRule
from onyx_pipelines.sources.volumes.facts import Counts, Entry, EntryStatus, entry_line
from onyx_pipelines.sources.volumes.walking import Found, Walk

_GONE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO})
_NO_LONGER_THAT: Final = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


@dataclass(frozen=True, slots=True)
class _Linked:
    """An archived inode with further names to come."""

    version: tuple[int, int]
    entry: Entry
    names_left: int


class VolumeArchiver:
    """Writes one volume. Memory: two blocks, one directory's names, inodes with several names."""

    def __init__(self, tar: BlockWriter, facts: BlockWriter, meter: Meter) -> None:
        self._tar = tar
        self._facts = facts
        self._meter = meter
        self._counts: Counter[str] = Counter()
        self._links: dict[tuple[int, int], _Linked] = {}

    def archive(self, root_fd: int, is_excluded: ExcludeRule) -> Counts:
        """Write the members and their facts, then the archive's end.

        Raises:
            SourceError: the volume's root itself could not be read.
        """
        walk = Walk(root_fd, is_excluded)
        for found in walk:
            self._add(found)
        self._tar.write(headers.END_OF_ARCHIVE)
        self._tar.flush()
        return Counts(**self._counts, excluded=walk.excluded)

    def _add(self, found: Found) -> None:
        file = found.file
        if file is None:
            self._record_failed(found.path, EntryType.UNKNOWN, found.error)
        elif stat.S_ISREG(file.st_mode):
            self._add_file(found)
        elif stat.S_ISDIR(file.st_mode):
            self._add_directory(found, file)
        elif stat.S_ISSOCK(file.st_mode):
            # tar has no sockets, and one without its server is worth nothing.
            self._record(Entry(found.path, EntryType.SOCKET, EntryStatus.SKIPPED, archived=False))
        else:
            self._add_special(found, file)

    def _add_directory(self, found: Found, file: os.stat_result) -> None:
        if found.error is not None and found.error.errno in _GONE:
            self._record_failed(found.path, EntryType.DIRECTORY, found.error)
            return
        attributes, error = _attributes(NO_ATTRIBUTES if found.fd is None else found.fd)
        error = found.error or error
        status = EntryStatus.OK if error is None else EntryStatus.UNREADABLE
        if found.is_pseudo:
            status = EntryStatus.SKIPPED
        self._write_header(found.path + b"/", file, attributes)
        self._record(describe(found.path, file, attributes, status, error))

    def _add_special(self, found: Found, file: os.stat_result) -> None:
        if self._add_hard_link(found.path, file):
            return
        link: bytes | None = None
        if stat.S_ISLNK(file.st_mode):
            try:
                link = os.readlink(found.name, dir_fd=found.parent_fd)
            except OSError as error:
                # EINVAL: it is no symbolic link any more.
                reason = _NO_LONGER_THAT if error.errno == errno.EINVAL else error
                self._record_failed(found.path, EntryType.SYMLINK, reason)
                return
        # Such a file is never opened: a fifo would block us, a device may act on it.
        attributes, unread = _attributes(b"/proc/self/fd/%d/%s" % (found.parent_fd, found.name))
        status = EntryStatus.OK if unread is None else EntryStatus.UNREADABLE
        self._write_header(found.path, file, attributes, link=link or b"")
        entry = describe(found.path, file, attributes, status, unread, link_target=link)
        self._expect_hard_links(file, entry)
        self._record(entry)

    def _add_file(self, found: Found) -> None:
        try:
            fd = open_for_reading(found.name, found.parent_fd)
        except OSError as error:
            self._record_failed(found.path, EntryType.FILE, error)
            return
        try:
            file = os.fstat(fd)
        except OSError as error:
            os.close(fd)
            self._record_failed(found.path, EntryType.FILE, error)
            return
        try:
            if not stat.S_ISREG(file.st_mode):
                self._record_failed(found.path, EntryType.FILE, _NO_LONGER_THAT)
            elif not self._add_hard_link(found.path, file):
                self._add_content(found.path, fd, file)
        finally:
            os.close(fd)

    def _add_content(self, path: bytes, fd: int, file: os.stat_result) -> None:
        attributes, error = _attributes(fd)
        segments = data_map(fd, file)
        self._write_header(path, file, attributes, segments=segments)
        copied = copy_content(self._tar, fd, file, segments, self._meter.add)
        self._tar.write_zeros(headers.padding(segments.data_bytes))
        status = copied.status
        if status is EntryStatus.OK and self._is_archived(file):
            # Another of its names has what it was before.
            status = EntryStatus.CHANGED
        if status is EntryStatus.OK and error is not None:
            status = EntryStatus.UNREADABLE
        entry = describe(
            path, file, attributes, status, copied.error or error, sha256=copied.sha256
        )
        self._counts["file_bytes"] += file.st_size
        self._expect_hard_links(file, entry)
        self._record(entry)

    def _expect_hard_links(self, file: os.stat_result, entry: Entry) -> None:
        if file.st_nlink > 1:
            inode = (file.st_dev, file.st_ino)
            self._links[inode] = _Linked(_version(file), entry, file.st_nlink - 1)

    def _is_archived(self, file: os.stat_result) -> bool:
        return file.st_nlink > 1 and (file.st_dev, file.st_ino) in self._links

    def _add_hard_link(self, path: bytes, file: os.stat_result) -> bool:
        """True if `path` was archived as one more name of an inode that is in the archive."""
        inode = (file.st_dev, file.st_ino)
        first = self._links.get(inode) if file.st_nlink > 1 else None
        # Another version of the content is archived as a file of its own.
        if first is None or first.version != _version(file):
            return False
        if first.names_left == 1:
            del self._links[inode]
        else:
            self._links[inode] = _Linked(first.version, first.entry, first.names_left - 1)
        self._write_header(path, file, NO_ATTRIBUTES, hard_link_to=first.entry.path)
        self._record(further_name(first.entry, path))
        return True

    def _write_header(
        self,
        path: bytes,
        file: os.stat_result,
        attributes: Attributes,
        *,
        segments: DataMap | None = None,
        link: bytes = b"",
        hard_link_to: bytes | None = None,
    ) -> None:
        kind = headers.MEMBER_TYPES[ENTRY_TYPES[stat.S_IFMT(file.st_mode)]]
        archive_path, table, records = _archive_path(path), b"", attributes.records()
        if segments is not None and segments.has_holes:
            table, records = segments.table(), segments.records(archive_path) | records
            archive_path = sparse_placeholder(archive_path)
        header = Header(
            path=archive_path,
            type=kind if hard_link_to is None else headers.HARD_LINK,
            mode=stat.S_IMODE(file.st_mode),
            uid=file.st_uid,
            gid=file.st_gid,
            mtime_ns=file.st_mtime_ns,
            size_bytes=len(table) + (segments.data_bytes if segments is not None else 0),
            link=link if hard_link_to is None else _archive_path(hard_link_to),
            device=device_numbers(file) or (0, 0),
            records=records,
        )
        self._tar.write(headers.encode_header(header) + table)

    def _record_failed(self, path: bytes, kind: EntryType, error: OSError | None) -> None:
        """An entry of which the archive has nothing."""
        reason = error or OSError()
        status = EntryStatus.VANISHED if reason.errno in _GONE else EntryStatus.UNREADABLE
        self._record(Entry(path, kind, status, archived=False, error=error_name(reason)))

    def _record(self, entry: Entry) -> None:
        self._counts["entries"] += 1
        if entry.type is EntryType.FILE and entry.archived:
            self._counts["files"] += 1
        elif entry.type is EntryType.DIRECTORY and entry.archived:
            self._counts["directories"] += 1
        if entry.status is not EntryStatus.OK:
            self._counts[entry.status] += 1
        self._facts.write(entry_line(entry))


def open_root(path: os.PathLike[str], name: str) -> int:
    """Descriptor of a volume's directory; a symbolic link in the configuration is followed.

    Raises:
        SourceError: there is none, it is no directory, or we may not read it.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(
            f"Volume {name}: directory {os.fspath(path)} cannot be read ({error.strerror}).",
            remedy="Correct its path in ONYX_VOLUMES, mount it, or run as a user who may read it.",
        ) from None


def _archive_path(path: bytes) -> bytes:
    """`./a/b`, as `tar -C volume .` names members; a leading dash or `..` in it means nothing."""
    return b"./" if path == b"./" else b"./" + path


def _attributes(file: int | bytes | Attributes) -> tuple[Attributes, OSError | None]:
    if isinstance(file, Attributes):
        return file, None
    try:
        return read_attributes(file), None
    except OSError as error:
        return NO_ATTRIBUTES, error


def _version(file: os.stat_result) -> tuple[int, int]:
    return file.st_size, file.st_mtime_ns
