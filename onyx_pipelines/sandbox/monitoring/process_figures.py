"""Stands in for cAdvisor where the sandbox's services are processes: its names, their figures.

`python -m onyx_pipelines.sandbox.monitoring.process_figures --port N name=pidfile …`
"""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from onyx_pipelines.host.background import started_ticks
from onyx_pipelines.load_test.telemetry.process_usage import (
    Usage,
    parents_of_all,
    tree_of,
    usage_of_process,
)
from onyx_pipelines.sandbox.ports import HOST

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class _Service:
    """One process and those that it starts."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file
        self._leader = 0
        self._spent_s: dict[int, float] = {}
        self._spent_by_ended_s = 0.0

    def usage(self, parents: dict[int, int]) -> tuple[float, float, float] | None:
        """Processor time, memory and when it was started; None: it does not run."""
        with suppress(OSError, ValueError, IndexError):  # it ended, or was never started
            leader = int(self._pid_file.read_text(encoding="ascii").split()[0])
            ticks = started_ticks(leader)
            if ticks is not None:
                found = {pid: usage_of_process(pid) for pid in tree_of([leader], parents)}
                living = {pid: usage for pid, usage in found.items() if usage is not None}
                memory = sum(usage.memory_bytes or 0 for usage in living.values())
                return self._spent(leader, living), memory, _booted() + ticks / _TICKS_PER_S
        return None

    def _spent(self, leader: int, living: Mapping[int, Usage]) -> float:
        """What ended counts on: a counter does not fall."""
        if leader != self._leader:
            self._leader, self._spent_s, self._spent_by_ended_s = leader, {}, 0.0
        for pid in self._spent_s.keys() - living.keys():
            self._spent_by_ended_s += self._spent_s.pop(pid)
        self._spent_s.update({pid: usage.cpu_s for pid, usage in living.items()})
        return self._spent_by_ended_s + sum(self._spent_s.values())


class ProcessFigures:
    """A collector of prometheus_client.

    Args:
        pid_files: by the service's name; the process id is the first word.
    """

    def __init__(self, pid_files: Mapping[str, Path]) -> None:
        self._services = {name: _Service(path) for name, path in pid_files.items()}

    def describe(self) -> Iterable[Metric]:
        """Nothing is looked at before it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One that does not run has no figures, as a container that was removed."""
        parents = parents_of_all()
        cpu = CounterMetricFamily("container_cpu_usage_seconds", "Processor time.", labels=["name"])
        memory, limit, started = (
            GaugeMetricFamily(f"container_{name}", text, labels=["name"])
            for name, text in (
                ("memory_working_set_bytes", "Memory, what is shared divided among who shares."),
                ("spec_memory_limit_bytes", "0: it has none."),
                ("start_time_seconds", "When it was started."),
            )
        )
        for name, service in self._services.items():
            usage = service.usage(parents)
            if usage is not None:
                cpu.add_metric([name], usage[0])
                memory.add_metric([name], usage[1])
                limit.add_metric([name], 0)
                started.add_metric([name], usage[2])
        yield from (cpu, memory, limit, started)


def _booted() -> int:
    """Whole seconds, and the same at each call: a service that has another start was started."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))


def main() -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("services", nargs="*", metavar="name=pidfile")
    options = parser.parse_args()
    pairs = (each.partition("=") for each in options.services)
    registry = CollectorRegistry()
    registry.register(ProcessFigures({name: Path(path) for name, _, path in pairs}))
    start_http_server(options.port, HOST, registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
