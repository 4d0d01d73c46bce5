"""Stands in for cAdvisor, whose binary is no package of Debian's: its names and labels, from the
control groups of the sandbox's containers and from what their engine says of them.

`python -m onyx_pipelines.sandbox.monitoring.container_figures --docker-host H --label L --port N`

Of an end for memory it says more than cAdvisor, which forgets a container with its control group:
it counts as long as the container is there.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.whole_answer import OTHER_FORM
from onyx_pipelines.sandbox.containers.engine import SandboxEngine, State
from onyx_pipelines.sandbox.monitoring import control_groups
from onyx_pipelines.sandbox.monitoring.control_groups import ROOT, Figures
from onyx_pipelines.sandbox.ports import HOST

_AGAIN_S: Final = 1.0
_LABELS: Final = {
    "container_label_com_docker_compose_project": "com.docker.compose.project",
    "container_label_com_docker_compose_service": "com.docker.compose.service",
}
_NAMES: Final = ("id", "image", "name", *_LABELS)
# Name without its beginning, and meaning.
_GAUGES: Final = {
    "memory_usage_bytes": "Memory, with what was read of files.",
    "memory_working_set_bytes": "The same without what is not used any more.",
    "spec_memory_limit_bytes": "0: it has none.",
    "spec_cpu_period": "Microseconds.",
    "spec_cpu_quota": "Microseconds of each period; nothing where it may use all processors.",
    "start_time_seconds": "When it was started last.",
    "last_seen": "When it was looked at.",
}


class OutOfMemory:
    """How often the kernel ended a process of each container, as the engine tells it."""

    def __init__(self, engine: SandboxEngine, label: str) -> None:
        self._engine, self._label = engine, label
        self._counts: Counter[str] = Counter()
        self._seen_until = datetime.now(UTC)

    def of(self, container: str) -> int:
        """By its id."""
        return self._counts[container]

    def follow(self) -> None:
        """For ever; what happened while the engine was away is caught up with."""
        while True:
            with suppress(httpx.HTTPError, SourceError, *OTHER_FORM):  # it is asked again
                for container, at in self._engine.out_of_memory(self._label, self._seen_until):
                    self._counts[container] += 1
                    self._seen_until = at + timedelta(microseconds=1)
            time.sleep(_AGAIN_S)


class ContainerFigures:
    """A collector of prometheus_client. An engine that does not answer has no containers."""

    def __init__(
        self, engine: SandboxEngine, label: str, ended: OutOfMemory, root: Path = ROOT
    ) -> None:
        self._engine, self._label, self._ended, self._root = engine, label, ended, root
        # Of those that have ended too: with another id they would be others.
        self._paths: dict[str, str] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing is looked at before it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One that does not run has only the count of its ends."""
        families = _families()
        with suppress(SourceError):  # an engine that is silent has no figures, as with cAdvisor
            for state in self._engine.states(self._label):
                self._tell(state, families)
        yield from families.values()

    def _tell(
        self, state: State, families: Mapping[str, CounterMetricFamily | GaugeMetricFamily]
    ) -> None:
        found = self._figures(state)
        path = self._paths.get(state.id, f"/docker/{state.id}")
        given = [state.labels.get(name, "") for name in _LABELS.values()]
        labels = [path, state.image, state.name, *given]
        families["oom_events"].add_metric(labels, self._ended.of(state.id))
        if found is None:
            return
        for cpu, seconds in found.cpu_s.items():
            families["cpu_usage_seconds"].add_metric([*labels, cpu], seconds)
        values = {
            "memory_usage_bytes": found.usage_bytes,
            "memory_working_set_bytes": found.working_set_bytes,
            "spec_memory_limit_bytes": found.limit_bytes,
            "spec_cpu_period": found.period_us,
            "spec_cpu_quota": found.quota_us,
            "start_time_seconds": state.started_at.timestamp(),
            "last_seen": int(time.time()),
        }
        for name, value in values.items():
            if value is not None:
                families[name].add_metric(labels, value)

    def _figures(self, state: State) -> Figures | None:
        with suppress(OSError, ValueError, KeyError):  # it ended, perhaps while it was looked at
            if state.pid:
                self._paths[state.id] = control_groups.path_of(state.pid)
                return control_groups.figures(self._paths[state.id], self._root)
        return None


def _families() -> dict[str, CounterMetricFamily | GaugeMetricFamily]:
    return {
        "cpu_usage_seconds": CounterMetricFamily(
            "container_cpu_usage_seconds", "Processor time.", labels=[*_NAMES, "cpu"]
        ),
        "oom_events": CounterMetricFamily(
            "container_oom_events", "Ends for memory, since this exporter runs.", labels=_NAMES
        ),
        **{
            name: GaugeMetricFamily(f"container_{name}", text, labels=_NAMES)
            for name, text in _GAUGES.items()
        },
    }


def main() -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docker-host", required=True)
    parser.add_argument("--label", required=True, help="name=value: whose containers")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    ended = OutOfMemory(SandboxEngine(options.docker_host), options.label)
    threading.Thread(target=ended.follow, daemon=True).start()
    registry = CollectorRegistry()
    engine = SandboxEngine(options.docker_host)
    registry.register(ContainerFigures(engine, options.label, ended))
    start_http_server(options.port, HOST, registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
