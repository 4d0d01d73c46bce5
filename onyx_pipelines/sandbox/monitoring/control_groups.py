"""What the kernel says of a control group, of version 1 and of version 2."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
_NS: Final = 1e9
_US: Final = 1e6
# Version 1 says that there is no limit by the largest number of whole pages.
_NO_LIMIT: Final = 1 << 60


@dataclass(frozen=True)
class Figures:
    """Args:
    cpu_s: processor time, by `cpu00`, … or, where the kernel does not divide it, `total`.
    working_set_bytes: without files that were read and are not used any more.
    limit_bytes: 0: it has none.
    quota_us: of each `period_us`; None: it may use all processors.
    """

    cpu_s: Mapping[str, float]
    usage_bytes: int
    working_set_bytes: int
    limit_bytes: int
    quota_us: int | None
    period_us: int


def path_of(pid: int, proc: Path = Path("/proc")) -> str:
    """Of the group that a process is in, below each hierarchy's root.

    Raises:
        OSError: there is no such process.
    """
    lines = (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines()
    groups = {part[1]: part[2] for line in lines if len(part := line.split(":", 2)) == 3}
    memory = next((path for names, path in groups.items() if "memory" in names.split(",")), "")
    return memory or groups.get("", "/")


def figures(path: str, root: Path = ROOT) -> Figures:
    """Of the group at `path`.

    Raises:
        OSError, ValueError: it is gone.
    """
    below = path.lstrip("/")
    if (root / "memory").is_dir():
        return _of_v1(root / "memory" / below, root / "cpuacct" / below, root / "cpu" / below)
    return _of_v2(root / below)


def _of_v1(memory: Path, cpu_time: Path, cpu: Path) -> Figures:
    spent = _text(cpu_time / "cpuacct.usage_percpu").split()
    usage = int(_text(memory / "memory.usage_in_bytes"))
    limit = int(_text(memory / "memory.limit_in_bytes"))
    quota = int(_text(cpu / "cpu.cfs_quota_us"))
    return Figures(
        {f"cpu{number:02}": int(ns) / _NS for number, ns in enumerate(spent)},
        usage,
        max(0, usage - _table(memory / "memory.stat").get("total_inactive_file", 0)),
        limit if limit < _NO_LIMIT else 0,
        quota if quota > 0 else None,
        int(_text(cpu / "cpu.cfs_period_us")),
    )


def _of_v2(group: Path) -> Figures:
    usage = int(_text(group / "memory.current"))
    limit = _text(group / "memory.max").strip()
    quota, period = _text(group / "cpu.max").split()
    return Figures(
        {"total": _table(group / "cpu.stat")["usage_usec"] / _US},
        usage,
        max(0, usage - _table(group / "memory.stat").get("inactive_file", 0)),
        0 if limit == "max" else int(limit),
        None if quota == "max" else int(quota),
        int(period),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii")


def _table(path: Path) -> dict[str, int]:
    found = {}
    for line in _text(path).splitlines():
        with suppress(ValueError):  # another form of line, of a kernel to come
            name, value = line.split()
            found[name] = int(value)
    return found
