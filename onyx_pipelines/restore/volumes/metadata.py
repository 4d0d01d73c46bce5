"""Owner, attributes, mode and times of one extracted file, set in the order that keeps them all.

What this user or file system cannot do is noted, so that the comparison can tell a limit of the
host from damage to the data.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Final

from onyx_pipelines.archive.attributes import ACCESS_LIST, DEFAULT_LIST
from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.archive.reading import Member

_LISTS: Final = frozenset({ACCESS_LIST, DEFAULT_LIST})
# Not permitted, not known to this file system, or no such owner in this name space.
_BEYOND_US: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL, errno.EOVERFLOW, errno.ENOSPC}
)


class Limit(StrEnum):
    """What could not be restored because of where it is restored."""

    OWNERS = "owners"
    ATTRIBUTES = "extended attributes"
    ACCESS_LISTS = "access control lists"
    DEVICES = "device nodes"
    TIMES = "times"


def apply_to_open_file(fd: int, member: Member, limits: set[Limit]) -> None:
    """To a regular file or directory. Raises OSError."""
    status = os.fstat(fd)
    if (status.st_uid, status.st_gid) != (member.uid, member.gid):
        _set_owner(fd, member, limits)
    _set_attributes(fd, member.attributes, limits)
    # After the owner, whose change clears setuid, and after the list, whose mask it sets.
    os.chmod(fd, _mode_of(member, os.fstat(fd)))
    os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))
    _note_time(os.fstat(fd), member, limits)


def apply_to_name(name: bytes, parent_fd: int, member: Member, limits: set[Limit]) -> None:
    """To a link, fifo or device, which is never opened. Raises OSError."""
    status = os.lstat(name, dir_fd=parent_fd)
    if (status.st_uid, status.st_gid) != (member.uid, member.gid):
        _set_owner(name, member, limits, dir_fd=parent_fd)
    path = b"/proc/self/fd/%d/%s" % (parent_fd, name)
    _set_attributes(path, member.attributes, limits)
    if member.type is not EntryType.SYMLINK:
        os.chmod(name, _mode_of(member, os.lstat(name, dir_fd=parent_fd)), dir_fd=parent_fd)
    times = (member.mtime_ns, member.mtime_ns)
    os.utime(name, ns=times, dir_fd=parent_fd, follow_symlinks=False)
    _note_time(os.lstat(name, dir_fd=parent_fd), member, limits)


def drop_inherited_lists(fd: int) -> None:
    """A new directory takes over its parent's default list, which its own files must not."""
    for name in _LISTS:
        with suppress(OSError):  # there is none
            os.removexattr(fd, name)


def _note_time(status: os.stat_result, member: Member, limits: set[Limit]) -> None:
    """File systems keep times of some centuries, and of some precision."""
    if status.st_mtime_ns != member.mtime_ns:
        limits.add(Limit.TIMES)


def _mode_of(member: Member, status: os.stat_result) -> int:
    """A program must not run as somebody whose it never was."""
    mode = member.mode
    if status.st_uid != member.uid:
        mode &= ~stat.S_ISUID
    if status.st_gid != member.gid:
        mode &= ~stat.S_ISGID
    return mode


def _set_owner(
    file: int | bytes, member: Member, limits: set[Limit], *, dir_fd: int | None = None
) -> None:
    for uid, gid in ((member.uid, member.gid), (-1, member.gid)):
        try:
            os.chown(file, uid, gid, dir_fd=dir_fd, follow_symlinks=isinstance(file, int))
        except OSError as error:
            if error.errno not in _BEYOND_US:
                raise
        else:
            if uid != -1:
                return
            break
    limits.add(Limit.OWNERS)


def _set_attributes(
    file: int | bytes, attributes: Iterable[tuple[str, bytes]], limits: set[Limit]
) -> None:
    for name, value in attributes:
        try:
            os.setxattr(file, name, value, follow_symlinks=isinstance(file, int))
        except OSError as error:
            if error.errno not in _BEYOND_US:
                raise
            limits.add(Limit.ACCESS_LISTS if name in _LISTS else Limit.ATTRIBUTES)
