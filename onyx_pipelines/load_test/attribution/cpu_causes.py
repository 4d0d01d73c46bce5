"""A full CPU: whose it is, and whether the times that grew are those that it slows."""

from __future__ import annotations

from onyx_pipelines.load_test.attribution.growth import (
    Growth,
    is_timed_by_callee,
)
from onyx_pipelines.load_test.attribution.observations import (
    EXPLAINS_ABOVE,
    WITHOUT_EVIDENCE,
    Candidate,
    Observations,
)
from onyx_pipelines.load_test.attribution.queue_evidence import (
    cpu_fact,
    queue_candidate,
)
from onyx_pipelines.load_test.attribution.saturation import (
    HOST,
    is_thread_full,
    neighbour_cores,
    saturated_services,
    services_of,
)
from onyx_pipelines.load_test.facts import What, fact
from onyx_pipelines.load_test.part import APP, NETWORK, SERVER, Part, Role
from onyx_pipelines.load_test.results import CauseKind, ServiceLoad


def cpu_candidate(seen: Observations, growth: Growth) -> Candidate | None:
    """The fullest service that explains the growth; precedes the shares of the hops, because a
    blocked event loop shows in every timer but its own."""
    full = saturated_services(growth.high)
    single = tuple(each for each in services_of(growth.high) if is_thread_full(each))
    for load in (*full, *(each for each in single if each not in full)):
        parts = parts_slowed_by(load.service, growth)
        if load not in full:
            # Other threads of such a service still run, so waiting for a pool is not its doing.
            parts = frozenset(part for part in parts if part.owner.role != Role.WAIT)
        share = growth.share_of(parts)
        if share > EXPLAINS_ABOVE:
            certainty = WITHOUT_EVIDENCE if SERVER in parts else 1.0
            foreign_cores = neighbour_cores(seen.steps)
            if foreign_cores is not None and load.run_queue_cores:
                return _neighbour(seen, growth, load, parts, foreign_cores)
            fullness = What.CPU_FULL if load in full else What.THREAD_FULL
            facts = (
                cpu_fact(fullness, load, users=growth.high.users),
                fact(What.SLOWED_BY_IT, share=share, service=load.service),
            )
            return queue_candidate(
                seen, growth, CauseKind.CPU_SATURATION, load.service, parts, certainty, facts
            )
    return None


def parts_slowed_by(service: str, growth: Growth) -> frozenset[Part]:
    """A full callee slows its own work, the calls to it, the pool of connections to it, and what
    the application does not tell apart (`server`). A full caller slows itself and all that its
    timers measure; only what callees time themselves is not its doing."""
    names = growth.deltas_ms.keys()
    if service != APP:
        return frozenset(name for name in names if name.owner.service == service or name == SERVER)
    return frozenset(
        name
        for name in names
        if (owner := name.owner).service != NETWORK
        and not (owner.role == Role.SRV and is_timed_by_callee(names, owner.service))
    )


def _neighbour(
    seen: Observations,
    growth: Growth,
    load: ServiceLoad,
    parts: frozenset[Part],
    foreign_cores: float,
) -> Candidate:
    facts = (
        fact(What.NEIGHBOURS, foreign_cores=foreign_cores),
        cpu_fact(What.WAITS_FOR_CPU, load),
    )
    return queue_candidate(seen, growth, CauseKind.CPU_SATURATION, HOST, parts, 1.0, facts)
