"""A regular file's content into the archive: exactly as many bytes as its header promised."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.archive.block_writer import BlockWriter
from onyx_pipelines.sources.volumes.facts import EntryStatus

_ZEROS: Final = memoryview(bytes(1 << 20))
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class Copied:
    """`sha256` is of the whole content as the archive has it, holes and filled-up zeros too."""

    sha256: str
    status: EntryStatus
    error: str | None = None


def open_for_reading(name: bytes, parent_fd: int) -> int:
    """Open what was a regular file a moment ago; blocks on nothing, follows no link.

    Without touching its access time where we may, so that a backup leaves no trace in the volume.
    """
    try:
        return os.open(name, _READ_FLAGS | os.O_NOATIME, dir_fd=parent_fd)
    except PermissionError:
        # Only its owner and root may ask for O_NOATIME.
        return os.open(name, _READ_FLAGS, dir_fd=parent_fd)


def copy_content(
    writer: BlockWriter,
    fd: int,
    before: os.stat_result,
    segments: Iterable[tuple[int, int]],
    count_bytes: Callable[[int], None],
) -> Copied:
    """Append the segments. Where the file ends early or cannot be read, zeros stand for the rest.

    `segments` are (offset, length) in order; what lies between them is hashed as zeros and not
    written. `count_bytes` hears of every byte read.
    """
    digest = hashlib.sha256()
    position = 0
    status = EntryStatus.OK
    reason: str | None = None
    for offset, length in segments:
        _hash_zeros(digest.update, offset - position)
        position = offset
        end = offset + length
        while position < end and status is EntryStatus.OK:
            try:
                data = writer.read_from(fd, end - position, position)
            except OSError as error:
                status, reason = EntryStatus.UNREADABLE, error_name(error)
                break
            if not data:
                status = EntryStatus.CHANGED
                break
            digest.update(data)
            position += len(data)
            count_bytes(len(data))
        writer.write_zeros(end - position)
        _hash_zeros(digest.update, end - position)
        position = end
    _hash_zeros(digest.update, before.st_size - position)
    if status is EntryStatus.OK:
        status, reason = _status_after(before, fd)
    return Copied(digest.hexdigest(), status, reason)


def error_name(error: OSError) -> str:
    """`EACCES`, `EIO`: the reason without the path, which may be personal."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _status_after(before: os.stat_result, fd: int) -> tuple[EntryStatus, str | None]:
    try:
        after = os.fstat(fd)
    except OSError as error:
        return EntryStatus.UNREADABLE, error_name(error)
    same = (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
    return EntryStatus.OK if same else EntryStatus.CHANGED, None


def _hash_zeros(update: Callable[[memoryview], None], count: int) -> None:
    while count > 0:
        length = min(count, len(_ZEROS))
        update(_ZEROS[:length])
        count -= length
