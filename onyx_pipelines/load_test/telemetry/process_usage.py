"""CPU, waiting for a CPU, and memory of a tree of processes, from /proc (Linux, proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_NS_PER_S: Final = 1e9


@dataclass(frozen=True)
class Usage:
    """Counters since the start, in seconds; memory in bytes. None: not to be seen."""

    cpu_s: float
    run_queue_s: float | None
    throttled_s: float | None
    memory_bytes: float | None
    memory_peak_bytes: float | None


def tree_of(roots: Iterable[int], parents: dict[int, int]) -> set[int]:
    """The processes and all of their descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in parents]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


def parents_of_all(proc: Path = Path("/proc")) -> dict[int, int]:
    """Of every process of this host: parent's id by its own id."""
    parents: dict[int, int] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                parents[int(entry.name)] = int(_stat_fields(entry)[1])
    return parents


def usage_of_process(pid: int, proc: Path = Path("/proc")) -> Usage | None:
    """What one process has used so far; None once it is gone."""
    folder = proc / str(pid)
    try:
        fields = _stat_fields(folder)
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        return Usage(
            cpu_s=cpu_s,
            run_queue_s=_run_queue_s(folder),
            throttled_s=None,
            memory_bytes=_memory_bytes(folder),
            memory_peak_bytes=_peak_bytes(folder),
        )
    except (OSError, ValueError, IndexError):
        return None


def _stat_fields(folder: Path) -> list[str]:
    """What follows the name, which may hold spaces and parentheses."""
    text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def _run_queue_s(folder: Path) -> float | None:
    """Of all threads: the process's own file has that of its first one only."""
    total = 0.0
    try:
        for task in (folder / "task").iterdir():
            with suppress(OSError, IndexError, ValueError):
                waited = (task / "schedstat").read_text(encoding="ascii").split()[1]
                total += int(waited) / _NS_PER_S
    except OSError:
        return None
    return total


def _memory_bytes(folder: Path) -> float | None:
    """Proportional set size, so that what forked workers share counts once."""
    with suppress(OSError, ValueError):
        for line in (folder / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024.0
    with suppress(OSError, ValueError, IndexError):
        return int((folder / "statm").read_text(encoding="ascii").split()[1]) * float(_PAGE_BYTES)
    return None


def _peak_bytes(folder: Path) -> float | None:
    with suppress(OSError, ValueError):
        # Bytes: the line of the name may hold anything but a line feed.
        for line in (folder / "status").read_bytes().split(b"\n"):
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024.0
    return None
