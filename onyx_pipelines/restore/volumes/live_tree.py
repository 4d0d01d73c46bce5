"""What is at a target now, before anything is restored there. Reads only."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import RestoreError
from onyx_pipelines.restore.volumes.selection import Parts
from onyx_pipelines.restore.volumes.wording import shown

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_mount_point(directory: Path) -> bool:
    """Also of a bind mount from the same file system, which `os.path.ismount` does not see."""
    if not directory.is_dir():
        return False
    if os.path.ismount(directory):
        return True
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().split(b"\n")
    except OSError:
        return False
    return os.fsencode(os.path.realpath(directory)) in parse_mount_points(lines)


def parse_mount_points(mountinfo: list[bytes]) -> frozenset[bytes]:
    """The fifth field of proc(5)'s mountinfo, whose blanks and backslashes are octal."""
    return frozenset(
        re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), fields[4])
        for line in mountinfo
        if len(fields := line.split(b" ")) > 4
    )


def holds_anything(directory: Path) -> bool:
    """False if it is absent or empty.

    Raises:
        RestoreError: it is no directory, or cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RestoreError(
            f"A volume cannot be restored to {directory} ({error.strerror}).",
            remedy="Name a directory that this user may read and write.",
        ) from None


def existing_part(directory: Path, parts: Parts) -> Parts:
    """As much of a path as exists below `directory`; all of it if its end is there.

    Raises:
        RestoreError: on the way lies something that is no directory, such as a symbolic link.
    """
    try:
        fd = os.open(directory, _FLAGS)
    except FileNotFoundError:
        return ()
    try:
        for count, name in enumerate(parts):
            try:
                mode = os.lstat(name, dir_fd=fd).st_mode
            except FileNotFoundError:
                return parts[:count]
            if count == len(parts) - 1:
                return parts
            if not stat.S_ISDIR(mode):
                raise RestoreError(
                    f"{shown(b'/'.join(parts))} cannot be restored into {directory}:"
                    f" {shown(b'/'.join(parts[: count + 1]))} is no directory there.",
                    remedy="Move that away, or restore the path into another directory.",
                )
            below = os.open(name, _FLAGS, dir_fd=fd)
            os.close(fd)
            fd = below
    finally:
        os.close(fd)
    return parts
