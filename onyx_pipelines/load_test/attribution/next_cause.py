"""What would be full next, once the cause is gone: the utilisation law, D = U / X."""

from __future__ import annotations

from onyx_pipelines.load_test.attribution.observations import Observations, is_queue
from onyx_pipelines.load_test.attribution.saturation import Demand, demands
from onyx_pipelines.load_test.facts import What, fact
from onyx_pipelines.load_test.results import Cause, CauseKind

# A CPU that is busy for other reasons than the requests sets no limit to them.
_USED_FROM = 0.05


def remaining_demands(seen: Observations, cause: Cause) -> tuple[Demand, ...]:
    """Of every resource but the cause itself, at the heaviest load; the largest first."""
    return tuple(
        demand
        for demand in demands(seen.top)
        if demand.utilisation >= _USED_FROM and not _is_the_cause(demand, cause)
    )


def next_cause(seen: Observations, cause: Cause) -> Cause | None:
    """None where the cause is no queue, or nothing else shows how much of it is used."""
    if not seen.steps or not is_queue(cause.kind):
        return None
    remaining = remaining_demands(seen, cause)
    if not remaining:
        return None
    first = remaining[0]
    return Cause(
        kind=CauseKind.POOL_EXHAUSTION if first.is_pool else CauseKind.CPU_SATURATION,
        service=first.service,
        share=min(1.0, first.utilisation),
        confidence=0.6,
        demand_ms=first.demand_ms,
        facts=(
            fact(
                What.NEXT_POOL if first.is_pool else What.NEXT_CPU,
                service=first.service,
                per_s=seen.top.throughput_per_s,
                share=first.utilisation,
                demand_ms=first.demand_ms,
                most_per_s=1000 / first.demand_ms,
            ),
        ),
    )


def _is_the_cause(demand: Demand, cause: Cause) -> bool:
    if demand.service != cause.service:
        return False
    if cause.kind is CauseKind.POOL_EXHAUSTION:
        return demand.is_pool
    return cause.kind is CauseKind.CPU_SATURATION and not demand.is_pool
