"""Entries of the facts from what the file system says of a file. Pure."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import Final

from onyx_pipelines.archive.attributes import Attributes
from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.sources.volumes.content import error_name
from onyx_pipelines.sources.volumes.facts import Entry, EntryStatus

ENTRY_TYPES: Final = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIRECTORY,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFIFO: EntryType.FIFO,
    stat.S_IFSOCK: EntryType.SOCKET,
    stat.S_IFCHR: EntryType.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryType.BLOCK_DEVICE,
}


def describe(
    path: bytes,
    file: os.stat_result,
    attributes: Attributes,
    status: EntryStatus,
    reason: OSError | str | None = None,
    *,
    sha256: str | None = None,
    link_target: bytes | None = None,
) -> Entry:
    """The entry of something that is in the archive."""
    kind = ENTRY_TYPES[stat.S_IFMT(file.st_mode)]
    return Entry(
        path=path,
        type=kind,
        status=status,
        size_bytes=file.st_size if kind is EntryType.FILE else None,
        mode=stat.S_IMODE(file.st_mode),
        uid=file.st_uid,
        gid=file.st_gid,
        mtime_ns=file.st_mtime_ns,
        sha256=sha256,
        link_target=link_target,
        device=device_numbers(file),
        xattrs=attributes.digests(),
        acl_access=attributes.acl_access,
        acl_default=attributes.acl_default,
        error=error_name(reason) if isinstance(reason, OSError) else reason,
    )


def further_name(first: Entry, path: bytes) -> Entry:
    """One more hard link to an inode that is in the archive already."""
    return replace(first, path=path, hard_link_to=first.path)


def device_numbers(file: os.stat_result) -> tuple[int, int] | None:
    if stat.S_ISCHR(file.st_mode) or stat.S_ISBLK(file.st_mode):
        return os.major(file.st_rdev), os.minor(file.st_rdev)
    return None
