"""The metric schema of the spec, and what the application's pool is doing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

from onyx_pipelines.monitoring.metrics import (
    AGENTS,
    CHAT,
    REQUESTS,
    RETRIEVAL,
    TASKS,
    counter,
    gauge,
    histogram,
)


class Metrics:
    """In a registry of its own."""

    def __init__(self, pool: Callable[[], tuple[int, int, int]]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.chat = histogram(CHAT, self.registry)
        self.rag = histogram(RETRIEVAL, self.registry)
        self.tasks = counter(TASKS, self.registry)
        self.agents = gauge(AGENTS, self.registry)
        self.requests = counter(REQUESTS, self.registry)
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

    @staticmethod
    def duration_category(seconds: float) -> str:
        return "fast" if seconds < 1 else "normal" if seconds < 10 else "slow"


def _figure(pool: Callable[[], tuple[int, int, int]], at: int) -> float:
    return float(pool()[at])
