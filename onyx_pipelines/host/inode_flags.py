"""The flags `i` and `a` of chattr(1): such a file cannot be changed, moved or removed."""

from __future__ import annotations

import fcntl
import struct
from contextlib import suppress
from typing import Final

# FS_IOC_GETFLAGS and FS_IOC_SETFLAGS.
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_UNCHANGEABLE: Final = 0x10 | 0x20


def is_unchangeable(fd: int) -> bool:
    """Of a regular file or directory; False where the file system knows no flags."""
    with suppress(OSError):
        return bool(_flags(fd) & _UNCHANGEABLE)
    return False


def make_changeable(fd: int) -> None:
    """Take `immutable` and `append only` away, as far as this user may."""
    with suppress(OSError):
        before = _flags(fd)
        if before & _UNCHANGEABLE:
            fcntl.ioctl(fd, _SET_FLAGS, struct.pack("q", before & ~_UNCHANGEABLE))


def _flags(fd: int) -> int:
    buffer = bytearray(8)
    fcntl.ioctl(fd, _GET_FLAGS, buffer)
    (flags,) = struct.unpack_from("i", buffer)
    return int(flags)
