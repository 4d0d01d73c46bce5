"""The metrics that the stack's own services and this product expose, each in one place.

Source: the specification's *Metrics Schema*. Its label `user_id` is not there: its own rule says
that no metric holds personal data (docs/decisions.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from onyx_pipelines.core.settings import CHAT_BUCKETS_S

# How many series one service may have: what a scrape costs is linear in it.
SERIES_BUDGET: Final = 1000


class Kind(StrEnum):
    """Of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Family:
    """One metric.

    Args:
        name: as it is exposed; a counter's ends with `_total`.
        labels: each with the values that are known beforehand; they start at 0, as `increase()`
            does not see the step from nothing to 1. Empty: known only while it runs.
        buckets: upper bounds in seconds, of a histogram.
    """

    name: str
    kind: Kind
    text: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    buckets: Sequence[float] = ()

    def known(self) -> list[dict[str, str]]:
        """Every combination of labels that is known beforehand."""
        values = itertools.product(*self.labels.values())
        return [dict(zip(self.labels, each, strict=True)) for each in values]


_TRUTH: Final = ("true", "false")
_OUTCOMES: Final = ("answered", "empty", "error")

CHAT: Final = Family(
    "onyx_chat_duration_seconds",
    Kind.HISTOGRAM,
    "Chat answers, from the request to their last token.",
    {"model": (), "success": _TRUTH},
    CHAT_BUCKETS_S,
)
RETRIEVAL: Final = Family(
    "onyx_rag_retrieval_duration_seconds",
    Kind.HISTOGRAM,
    "Retrievals from the vector database.",
    {"vector_count": (), "similarity_threshold": ()},
    (0.05, 0.1, 0.2, 0.5, 1.0),
)
TASKS: Final = Family(
    "onyx_task_completion_total",
    Kind.COUNTER,
    "Tasks of agents that ended.",
    {
        "task_type": ("chat", "research", "sync"),
        "success": _TRUTH,
        "duration_category": ("fast", "normal", "slow"),
    },
)
AGENTS: Final = Family(
    "onyx_active_agents",
    Kind.GAUGE,
    "Agents at work.",
    {"agent_type": ("chat", "research", "sync"), "status": ("working", "waiting")},
)
SPECIFIED: Final = (CHAT, RETRIEVAL, TASKS, AGENTS)

REQUESTS: Final = Family(
    "onyx_http_requests_total",
    Kind.COUNTER,
    "Requests by route template and status.",
    {"method": (), "route": (), "status": ()},
)
LATENCY: Final = Family(
    "onyx_http_request_duration_seconds",
    Kind.HISTOGRAM,
    "Requests, from their arrival to the last byte of their answer.",
    {"method": (), "route": ()},
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
IN_FLIGHT: Final = Family("onyx_http_requests_in_flight", Kind.GAUGE, "Requests being answered.")
MODEL_CALLS: Final = Family(
    "onyx_llm_calls_total",
    Kind.COUNTER,
    "Calls of a language model.",
    {"model": (), "outcome": ("success", "error")},
)
MODEL_TOKENS: Final = Family(
    "onyx_llm_tokens_total",
    Kind.COUNTER,
    "Tokens sent to and received from a language model.",
    {"model": (), "direction": ("input", "output")},
)
MODEL_COST: Final = Family(
    "onyx_llm_cost_usd_total", Kind.COUNTER, "What the calls cost, in US dollars.", {"model": ()}
)
RETRIEVALS: Final = Family(
    "onyx_rag_queries_total",
    Kind.COUNTER,
    "Questions to the vector database, by what came of them.",
    {"outcome": _OUTCOMES},
)
ACTIVE_USERS: Final = Family(
    "onyx_active_users", Kind.GAUGE, "Different users of the last 24 hours; nobody's name."
)
LOG_LINES: Final = Family(
    "onyx_log_lines_total",
    Kind.COUNTER,
    "Lines of a log that was followed, by what they were.",
    {"outcome": ("counted", "other", "malformed")},
)
LOG_GAPS: Final = Family(
    "onyx_log_gaps_total",
    Kind.COUNTER,
    "Times that a log was gone before it was read to its end.",
)
APPLICATION: Final = (
    *SPECIFIED,
    *(REQUESTS, LATENCY, IN_FLIGHT, MODEL_CALLS, MODEL_TOKENS, MODEL_COST, RETRIEVALS),
    ACTIVE_USERS,
)

AGE: Final = Family(
    "onyx_metrics_age_seconds",
    Kind.GAUGE,
    "How long ago all the other metrics of this page were looked at.",
)
STACK_HEALTH: Final = Family(
    "onyx_stack_health",
    Kind.GAUGE,
    "The whole stack: 0 ok, 1 degraded, 2 unknown, 3 failing. What is unknown is never ok.",
)
COMPONENT_HEALTH: Final = Family(
    "onyx_stack_health_component",
    Kind.GAUGE,
    "The same of each component that is watched: backups, drills, load_tests, scraping, alerts,"
    " errors.",
    {"component": ()},
)
HEALTH_EVIDENCE: Final = Family(
    "onyx_stack_health_evidence_timestamp_seconds",
    Kind.GAUGE,
    "Of when the evidence of each component is; nothing where there is none.",
    {"component": ()},
)
SCHEDULE_EVERY: Final = Family(
    "onyx_schedule_interval_seconds",
    Kind.GAUGE,
    "The longest time between two runs of each schedule that is on; its name is the job's.",
    {"schedule": ()},
)
SCHEDULE_LAST: Final = Family(
    "onyx_schedule_last_run_timestamp_seconds",
    Kind.GAUGE,
    "When its job last ended, however, or by whomever it was launched; 0: never.",
    {"schedule": ()},
)
SCHEDULE_SUCCESS: Final = Family(
    "onyx_schedule_last_success_timestamp_seconds",
    Kind.GAUGE,
    "When its job last succeeded; 0: never.",
    {"schedule": ()},
)
SCHEDULE_FAILED: Final = Family(
    "onyx_schedule_failed",
    Kind.GAUGE,
    "1 where the last run of its job failed.",
    {"schedule": ()},
)
DRILL_MAX_AGE: Final = Family(
    "onyx_restore_drill_max_age_seconds",
    Kind.GAUGE,
    "How long ago the last drill that passed may be (`ONYX_DRILL_MAX_AGE_DAYS`).",
)
OPERATION: Final = (
    *(STACK_HEALTH, COMPONENT_HEALTH, HEALTH_EVIDENCE),
    *(SCHEDULE_EVERY, SCHEDULE_LAST, SCHEDULE_SUCCESS, SCHEDULE_FAILED),
)

# A label may have these names; anything else might tell who did what.
LABELS: Final = frozenset(
    {name for family in APPLICATION for name in family.labels}
    | {"component", "store", "channel", "version", "scenario", "quantile", "check", "schedule"}
    | {"service", "verdict", "instance", "job", "le", "hop", "tier", "database", "kind", "stack"}
)

# Seconds: a task is fast below the first, slow from the second on.
_NORMAL_S, _SLOW_S = 1, 10


def duration_category(seconds: float) -> str:
    """Of TASKS' label."""
    return "fast" if seconds < _NORMAL_S else "normal" if seconds < _SLOW_S else "slow"


_M = TypeVar("_M", Counter, Gauge, Histogram)


def histogram(family: Family, registry: CollectorRegistry) -> Histogram:
    """With what is known of it at 0."""
    return _with_known(
        family,
        Histogram(
            family.name,
            family.text,
            list(family.labels),
            buckets=family.buckets,
            registry=registry,
        ),
    )


def counter(family: Family, registry: CollectorRegistry) -> Counter:
    """With what is known of it at 0."""
    name = family.name.removesuffix("_total")
    return _with_known(family, Counter(name, family.text, list(family.labels), registry=registry))


def gauge(family: Family, registry: CollectorRegistry) -> Gauge:
    """With what is known of it at 0."""
    return _with_known(
        family, Gauge(family.name, family.text, list(family.labels), registry=registry)
    )


MAKERS: Final = {Kind.HISTOGRAM: histogram, Kind.COUNTER: counter, Kind.GAUGE: gauge}


def _with_known(family: Family, metric: _M) -> _M:
    for labels in family.known() if family.labels else ():
        metric.labels(**labels)
    return metric
