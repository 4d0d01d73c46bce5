"""Renames that Python does not offer: two names exchanged in one step, and never onto something.

renameat2(2) and syncfs(2) through the C library; where they are missing, callers are told.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Any, Final

_NO_REPLACE: Final = 1
_EXCHANGE: Final = 2
# The kernel, the C library or the file system knows no such thing.
_UNSUPPORTED: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})


def exchange(first: bytes, first_fd: int, second: bytes, second_fd: int) -> bool:
    """Swap two names, each relative to its directory. False: not possible here, nothing was done.

    Raises:
        OSError: it is possible, and failed.
    """
    return _renameat2(first, first_fd, second, second_fd, _EXCHANGE)


def rename_to_new(source: bytes, source_fd: int, target: bytes, target_fd: int) -> None:
    """Rename; FileExistsError where the target exists (looked at just before, if need be)."""
    if _renameat2(source, source_fd, target, target_fd, _NO_REPLACE):
        return
    try:
        os.lstat(target, dir_fd=target_fd)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def sync_file_system(fd: int) -> None:
    """All that was written to the file system of `fd` is on its disk when this returns."""
    library = _c_library()
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _renameat2(source: bytes, source_fd: int, target: bytes, target_fd: int, flags: int) -> bool:
    library = _c_library()
    if not hasattr(library, "renameat2"):
        return False
    if library.renameat2(source_fd, source, target_fd, target, ctypes.c_uint(flags)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number))


@cache
def _c_library() -> Any:
    return ctypes.CDLL(None, use_errno=True)
