"""The metadata of one directory given to another: for a root that cannot be renamed."""

from __future__ import annotations

import errno
import os
from contextlib import suppress


def copy_metadata(source_fd: int, target_fd: int, *, mtime_ns: int) -> None:
    """Owner, attributes and mode of the source as far as this user may, and this time.

    Raises OSError.
    """
    status = os.fstat(source_fd)
    with suppress(PermissionError):  # it was extracted by this user, so nothing is lost by it
        os.chown(target_fd, status.st_uid, status.st_gid)
    wanted = {name: os.getxattr(source_fd, name) for name in _attribute_names(source_fd)}
    for name in _attribute_names(target_fd):
        # A label of the host's own security module is not the volume's.
        if name not in wanted and not name.startswith("security."):
            os.removexattr(target_fd, name)
    for name, value in wanted.items():
        if not name.startswith("security."):
            os.setxattr(target_fd, name, value)
    os.chmod(target_fd, status.st_mode & 0o7777)
    os.utime(target_fd, ns=(mtime_ns, mtime_ns))


def _attribute_names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
