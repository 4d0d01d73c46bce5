"""The metric schema of the spec, and what the application's pool is doing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector


class Metrics:
    """In a registry of its own."""

    def __init__(self, pool: Callable[[], tuple[int, int, int]]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        # No user id among the labels, which the spec's sketch has: it would make a series a user.
        self.chat = Histogram(
            "onyx_chat_duration_seconds",
            "Chat answers, complete.",
            ["model", "success"],
            buckets=(0.1, 0.5, 1.0, 1.5, 2.0, 5.0, 10.0),
            registry=self.registry,
        )
        self.rag = Histogram(
            "onyx_rag_retrieval_duration_seconds",
            "Retrievals.",
            ["vector_count"],
            buckets=(0.05, 0.1, 0.2, 0.5, 1.0),
            registry=self.registry,
        )
        self.tasks = Counter(
            "onyx_task_completion",
            "Tasks of agents.",
            ["task_type", "success", "duration_category"],
            registry=self.registry,
        )
        self.agents = Gauge(
            "onyx_active_agents",
            "Agents at work.",
            ["agent_type", "status"],
            registry=self.registry,
        )
        self.hops = Histogram(
            "onyx_hop_duration_seconds",
            "Calls to other services per request, as the caller sees them.",
            ["hop"],
            registry=self.registry,
        )
        self.requests = Counter(
            "onyx_http_requests",
            "Requests by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        for at, name in enumerate(("size", "checked_out", "waiting")):
            gauge = Gauge(
                f"onyx_db_pool_{name}", "Connections to PostgreSQL.", registry=self.registry
            )
            gauge.set_function(partial(_figure, pool, at))

    @staticmethod
    def duration_category(seconds: float) -> str:
        return "fast" if seconds < 1 else "normal" if seconds < 10 else "slow"


def _figure(pool: Callable[[], tuple[int, int, int]], at: int) -> float:
    return float(pool()[at])
