"""How a queue's candidate is made and what its evidence says in words."""

from __future__ import annotations

from onyx_pipelines.load_test.attribution.growth import (
    Growth,
)
from onyx_pipelines.load_test.attribution.observations import Candidate, Observations, percent
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.results import Cause, CauseKind, ServiceLoad


def queue_candidate(
    seen: Observations,
    growth: Growth,
    kind: CauseKind,
    service: str,
    parts: frozenset[Part],
    certainty: float,
    evidence: tuple[str, ...],
) -> Candidate:
    share = growth.share_of(parts)
    cause = Cause(
        kind=kind,
        service=service,
        share=share,
        confidence=round(max(0.0, min(share, certainty) * (1 + seen.timed_share) / 2), 3),
        demand_ms=seen.queue_demand_ms,
        evidence=evidence,
    )
    return Candidate(cause, share * growth.total_ms, parts, is_of_growth=True)


def cpu_text(load: ServiceLoad) -> str:
    queued = (
        f" and {load.run_queue_cores:.2f} waited for"
        if load.run_queue_cores is not None and load.run_queue_cores >= 0.05
        else ""
    )
    throttled = (
        f", throttled {percent(load.throttled_share)} of the time" if load.throttled_share else ""
    )
    return f"{load.cpu_cores or 0.0:.2f} of {load.cores:g} cores used{queued}{throttled}"


def growth_sentence(growth: Growth) -> str:
    low, high = growth.low, growth.high
    gained = high.throughput_per_s / low.throughput_per_s if low.throughput_per_s > 0 else 0.0
    return (
        f"From {low.users} to {high.users} users the mean grew from {low.mean_ms:.0f} to "
        f"{high.mean_ms:.0f} ms, the throughput only {gained:.1f} times."
    )
