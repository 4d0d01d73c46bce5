"""Looks at all services once a second while the load runs, in a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx
import pandas as pd

from onyx_pipelines.load_test.attribution.saturation import GENERATOR, HOST
from onyx_pipelines.load_test.samples import TELEMETRY_COLUMNS
from onyx_pipelines.load_test.telemetry.cgroup_usage import cores_of_cgroup, usage_of_cgroup
from onyx_pipelines.load_test.telemetry.pool_gauges import read_pool
from onyx_pipelines.load_test.telemetry.process_usage import (
    Usage,
    parents_of_all,
    tree_of,
    usage_of_process,
)
from onyx_pipelines.load_test.telemetry.services import WatchedService

_EVERY_S: Final = 1.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Look:
    """One look at a service. `by_process`: a process that comes or goes must not bend the sums."""

    at_s: float
    by_process: dict[int, Usage]


class Sampler:
    """A context manager; `table` has the rows so far (columns of `samples.TELEMETRY_COLUMNS`).

    The generator's own processes and the host are services too, named k6 and host.
    """

    def __init__(self, services: tuple[WatchedService, ...]) -> None:
        self._services = services
        self._generators: set[int] = set()
        self._rows: list[dict[str, float | str | None]] = []
        self._before: dict[str, _Look] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load-test-telemetry", daemon=True)
        self._cores = float(len(os.sched_getaffinity(0)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def watch_generator(self, pid: int) -> None:
        """This process sends load, or stands between it and the target."""
        self._generators.add(pid)

    @property
    def table(self) -> pd.DataFrame:
        rows = list(self._rows)
        frame = pd.DataFrame(rows, columns=list(TELEMETRY_COLUMNS))
        return frame.astype(dict(TELEMETRY_COLUMNS))

    def _run(self) -> None:
        with httpx.Client(trust_env=False) as client:
            due = time.monotonic()
            while not self._stop.is_set():
                with suppress(OSError):
                    self._look(client)
                due = max(due + _EVERY_S, time.monotonic())
                self._stop.wait(due - time.monotonic())

    def _look(self, client: httpx.Client) -> None:
        parents = parents_of_all()
        now = time.time()
        for service in self._services:
            cores, look = self._cores, _Look(now, {})
            if service.cgroup is not None:
                usage = usage_of_cgroup(service.cgroup)
                look = _Look(now, {0: usage} if usage is not None else {})
                cores = cores_of_cgroup(service.cgroup, int(self._cores))
            else:
                roots = [pid for pid in (service.pid, _pid_in(service.pid_file)) if pid is not None]
                look = _look_at(now, tree_of(roots, parents))
            pool = read_pool(client, service.metrics_url) if service.metrics_url else None
            row = self._row(service.name, look, cores)
            if row is not None:
                if pool is not None:
                    row |= {
                        "pool_size": pool.size,
                        "pool_busy": pool.busy,
                        "pool_waiting": pool.waiting,
                    }
                self._rows.append(row)
        generator = self._row(
            GENERATOR, _look_at(now, tree_of(self._generators, parents)), self._cores
        )
        if generator is not None:
            self._rows.append(generator)
        host = self._row(HOST, _Look(now, {0: _usage_of_host()}), self._cores)
        if host is not None:
            self._rows.append(host)

    def _row(self, service: str, look: _Look, cores: float) -> dict[str, float | str | None] | None:
        before = self._before.get(service)
        self._before[service] = look
        if before is None or not look.by_process:
            return None
        elapsed = look.at_s - before.at_s
        same = look.by_process.keys() & before.by_process.keys()
        if elapsed <= 0 or not same:
            return None
        now = [look.by_process[pid] for pid in same]
        then = [before.by_process[pid] for pid in same]
        return {
            "at_ms": look.at_s * 1000,
            "service": service,
            "cores": cores,
            "cpu_cores": sum(u.cpu_s for u in now) / elapsed - sum(u.cpu_s for u in then) / elapsed,
            "run_queue_cores": _gained(then, now, "run_queue_s", elapsed),
            "throttled_share": _gained(then, now, "throttled_s", elapsed),
            "memory_bytes": _sum(list(look.by_process.values()), "memory_bytes"),
            "memory_peak_bytes": _sum(list(look.by_process.values()), "memory_peak_bytes"),
        }


def _look_at(at_s: float, pids: set[int]) -> _Look:
    found = {pid: usage_of_process(pid) for pid in pids}
    return _Look(at_s, {pid: usage for pid, usage in found.items() if usage is not None})


def _gained(then: list[Usage], now: list[Usage], name: str, elapsed: float) -> float | None:
    before, after = _sum(then, name), _sum(now, name)
    # A thread that ended takes its waiting with it.
    return max(0.0, after - before) / elapsed if before is not None and after is not None else None


def _sum(usages: list[Usage], name: str) -> float | None:
    values = [value for usage in usages if (value := getattr(usage, name)) is not None]
    return sum(values) if values else None


def _pid_in(path: Path | None) -> int | None:
    if path is None:
        return None
    with suppress(OSError, ValueError, IndexError):
        return int(path.read_text(encoding="utf-8").split()[0])
    return None


def _usage_of_host() -> Usage:
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields)
    busy = user + nice + system + irq + softirq + steal
    memory = {
        line.split(":")[0]: int(line.split()[1]) * 1024.0
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    }
    return Usage(
        cpu_s=busy / _TICKS_PER_S,
        run_queue_s=None,
        throttled_s=None,
        memory_bytes=memory["MemTotal"] - memory.get("MemAvailable", 0.0),
        memory_peak_bytes=None,
    )
