"""How a queue's candidate is made, and the facts that all of them rest on."""

from __future__ import annotations

from onyx_pipelines.load_test.attribution.growth import (
    Growth,
)
from onyx_pipelines.load_test.attribution.observations import Candidate, Observations
from onyx_pipelines.load_test.facts import Fact, What, fact
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.results import Cause, CauseKind, ServiceLoad


def queue_candidate(
    seen: Observations,
    growth: Growth,
    kind: CauseKind,
    service: str,
    parts: frozenset[Part],
    certainty: float,
    facts: tuple[Fact, ...],
) -> Candidate:
    share = growth.share_of(parts)
    cause = Cause(
        kind=kind,
        service=service,
        share=share,
        confidence=round(max(0.0, min(share, certainty) * (1 + seen.timed_share) / 2), 3),
        demand_ms=seen.queue_demand_ms,
        facts=(_growth_fact(growth), *facts),
    )
    return Candidate(cause, share * growth.total_ms, parts, is_of_growth=True)


def cpu_fact(what: What, load: ServiceLoad, *, users: int | None = None) -> Fact:
    """With what the service used of its cores, as far as that is known."""
    return fact(
        what,
        service=load.service,
        users=users,
        cores=load.cores,
        cpu_cores=load.cpu_cores,
        run_queue_cores=load.run_queue_cores,
        throttled_share=load.throttled_share,
    )


def _growth_fact(growth: Growth) -> Fact:
    low, high = growth.low, growth.high
    gained = high.throughput_per_s / low.throughput_per_s if low.throughput_per_s > 0 else 0.0
    return fact(
        What.GREW,
        low_users=low.users,
        users=high.users,
        low_ms=low.mean_ms,
        ms=high.mean_ms,
        gained=gained,
    )
