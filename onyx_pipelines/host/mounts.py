"""What is mounted where, as proc(5) says it.

The walk of a backup goes into mount points, as GNU tar does (leaving real data out in silence is
worse), but not into file systems that hold no files of anybody: /proc and the like. Whatever
deletes stays on its own mount.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")
_PSEUDO: Final = frozenset(
    {
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "efivarfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    }
)


def is_mount_point(directory: Path) -> bool:
    """Also of a bind mount from the same file system, which `os.path.ismount` does not see."""
    try:
        if not directory.is_dir():
            return False
        if os.path.ismount(directory):
            return True
        return os.fsencode(os.path.realpath(directory)) in mount_points()
    except OSError:
        return False


def mount_points() -> list[bytes]:
    """Of this process, in the order of mounting: one that is mounted over another comes later.

    Raises:
        OSError: that cannot be known.
    """
    return parse_mount_points(MOUNTINFO.read_bytes().split(b"\n"))


def parse_mount_points(mountinfo: Iterable[bytes]) -> list[bytes]:
    """The fifth field, whose blanks and backslashes are octal."""
    return [
        re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), fields[4])
        for line in mountinfo
        if len(fields := line.split(b" ")) > 4
    ]


def mount_id(fd: int) -> int:
    """Of the mount that an open file was reached through: also a bind mount has its own, though
    its device number is that of what is around it. Raises OSError."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_bytes().splitlines():
        name, _, value = line.partition(b":")
        if name == b"mnt_id":
            return int(value)
    raise OSError("the kernel does not say on which mount a file lies")


def pseudo_devices(mountinfo: Path = MOUNTINFO) -> frozenset[int]:
    """The `st_dev` of every such mount of this process; empty where that cannot be known."""
    try:
        # A carriage return in a mount point's name ends no line.
        with mountinfo.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            return parse_pseudo_devices(lines)
    except OSError:
        return frozenset()


def parse_pseudo_devices(mountinfo: Iterable[str]) -> frozenset[int]:
    """Lines as proc(5) describes them: the device is the third field, the type follows ` - `."""
    devices = set()
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        if after.partition(" ")[0] in _PSEUDO:
            major, _, minor = before.split(" ")[2].partition(":")
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)
