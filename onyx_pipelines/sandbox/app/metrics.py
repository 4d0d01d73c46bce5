"""The metric schema of the spec, and what the application's pool is doing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

from onyx_pipelines.monitoring.instrumentation.recorder import Recorder


class Metrics:
    """In a registry of its own."""

    def __init__(self, pool: Callable[[], tuple[int, int, int]]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.done = Recorder(self.registry)
        self.hops = Histogram(
            "onyx_hop_duration_seconds",
            "Calls to other services per request, as the caller sees them.",
            ["hop"],
            registry=self.registry,
        )
        for at, name in enumerate(("size", "checked_out", "waiting")):
            pooled = Gauge(
                f"onyx_db_pool_{name}", "Connections to PostgreSQL.", registry=self.registry
            )
            pooled.set_function(partial(_figure, pool, at))


def _figure(pool: Callable[[], tuple[int, int, int]], at: int) -> float:
    return float(pool()[at])
