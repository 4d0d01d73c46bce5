"""File systems that hold no files of anybody: /proc and the like, mounted inside a volume.

The walk goes into mount points, as GNU tar does (leaving real data out in silence is worse), but
not into these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

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


def pseudo_devices(mountinfo: Path = Path("/proc/self/mountinfo")) -> frozenset[int]:
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
