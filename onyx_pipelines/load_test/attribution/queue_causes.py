"""Causes that load brings: a queue somewhere, told by whose parts grow and who is full."""

from __future__ import annotations

from onyx_pipelines.load_test.attribution.cpu_causes import cpu_candidate, parts_slowed_by
from onyx_pipelines.load_test.attribution.growth import (
    Growth,
    parts_of_owner,
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
    is_cpu_saturated,
    is_pool_full,
    is_short_of_a_core,
    is_thread_full,
    pool_of,
    service_load,
    services_of,
)
from onyx_pipelines.load_test.facts import Fact, What, fact
from onyx_pipelines.load_test.part import (
    APP,
    BEFORE_THE_SERVER,
    INGRESS,
    NETWORK,
    RECEIVE,
    Owner,
    Part,
    Role,
)
from onyx_pipelines.load_test.results import CauseKind, ServiceLoad, SweepStep

# Growth that is nearly all in front of the application.
_AT_THE_DOOR_ABOVE = 0.8
# That a service wants a core is no proof that it is what the calls wait for.
_SHORT_OF_A_CORE = 0.8


def queue_candidates(seen: Observations) -> list[Candidate]:
    """The winner first, then what else grew; nothing if latency does not depend on load."""
    growth = seen.growth
    if growth is None or not growth.is_load_dependent:
        return []
    winner = cpu_candidate(seen, growth) or _largest_owner(seen, growth)
    others = (
        _of_owner(seen, growth, owner, share)
        for owner, share in growth.shares()
        if share > 0 and not parts_of_owner(growth.deltas_ms.keys(), owner) <= winner.parts
    )
    return [winner, *others]


def _largest_owner(seen: Observations, growth: Growth) -> Candidate:
    owner, share = growth.shares()[0]
    queue_before = owner.role in {Role.WAIT, Role.GAP}
    own_work = frozenset({Part.of_call(owner.service, Role.SRV)})
    if queue_before and own_work <= growth.deltas_ms.keys() and growth.has_grown(own_work):
        # What waits in front of a hop whose own work slows down waits because of it.
        names = growth.deltas_ms.keys()
        parts = frozenset(name for name in names if name.owner.service == owner.service)
        return _callee(seen, growth, owner.service, parts)
    if share > EXPLAINS_ABOVE:
        return _of_owner(seen, growth, owner, share)
    return _spread(seen, growth, owner)


def _spread(seen: Observations, growth: Growth, owner: Owner) -> Candidate:
    """No single owner: either all of the caller's timers grew together, or nobody is to blame."""
    parts = parts_slowed_by(APP, growth)
    share = growth.share_of(parts)
    largest = max(
        (growth.share_of(parts_of_owner(parts, each)) for each in {part.owner for part in parts}),
        default=0.0,
    )
    if share > EXPLAINS_ABOVE and share > 1.5 * largest:
        found = fact(What.STANDS_STILL, service=APP, share=share)
        return _unknown(seen, growth, APP, parts, found)
    mine = parts_of_owner(growth.deltas_ms.keys(), owner)
    found = fact(What.NO_MAJORITY, service=owner.service, share=growth.share_of(mine))
    return _unknown(seen, growth, owner.service, mine, found)


def _unknown(
    seen: Observations, growth: Growth, service: str, parts: frozenset[Part], *facts: Fact
) -> Candidate:
    return queue_candidate(seen, growth, CauseKind.UNKNOWN, service, parts, WITHOUT_EVIDENCE, facts)


def _of_owner(seen: Observations, growth: Growth, owner: Owner, share: float) -> Candidate:
    parts = parts_of_owner(growth.deltas_ms.keys(), owner)
    if owner.role == Role.WAIT:
        return _pool(seen, growth, owner.service, parts)
    if owner.role == Role.GAP:
        return _on_the_way(seen, growth, owner.service, parts)
    if owner.role == Role.SRV:
        return _callee(seen, growth, owner.service, parts)
    if owner.role == Role.SELF:
        return _own_section(seen, growth, owner.service, parts)
    if owner.service == NETWORK:
        return _network(seen, growth, owner, parts)
    found = fact(What.UNTIMED_INSIDE, service=APP, share=share)
    return _unknown(seen, growth, owner.service, parts, found)


def _pool(seen: Observations, growth: Growth, hop: str, parts: frozenset[Part]) -> Candidate:
    step = growth.high
    held_ms = step.call_ms(hop, Role.SRV, Role.GAP)
    facts = [
        fact(What.POOL_WAIT, service=hop, share=growth.share_of(parts)),
        fact(
            What.POOL_BY_LITTLE,
            busy=step.throughput_per_s * held_ms / 1000,
            per_s=step.throughput_per_s,
            held_ms=held_ms,
        ),
    ]
    pool = pool_of(step, hop, APP)
    is_seen = pool is not None and is_pool_full(pool)
    if pool is not None and pool.pool_size and pool.pool_busy is not None:
        facts.append(fact(What.POOL_IN_USE, busy=pool.pool_busy, size=pool.pool_size))
        per_request_ms = 1000 * pool.pool_busy / step.throughput_per_s
        if held_ms > 0 and per_request_ms > 2 * held_ms:
            facts.append(fact(What.POOL_KEPT, held_ms=per_request_ms, used_ms=held_ms))
    certainty = 1.0 if is_seen or (pool is None and _is_idle(seen, hop)) else WITHOUT_EVIDENCE
    return queue_candidate(
        seen, growth, CauseKind.POOL_EXHAUSTION, hop, parts, certainty, tuple(facts)
    )


def _full_between(growth: Growth) -> ServiceLoad | None:
    """The fullest service that is watched and that no timer is named for: a proxy on the way to a
    hop, which shows only as time before the hop begins."""
    timed = {name.owner.service for name in growth.deltas_ms} | {APP}
    busy = [
        load
        for load in services_of(growth.high)
        if load.service not in timed
        and (is_cpu_saturated(load) or is_thread_full(load) or is_short_of_a_core(load))
    ]
    return max(busy, key=lambda load: load.cpu_saturation or 0.0, default=None)


def _on_the_way(seen: Observations, growth: Growth, hop: str, parts: frozenset[Part]) -> Candidate:
    """Between caller and hop there is a proxy that is full, or a limit of the caller."""
    share = growth.share_of(parts)
    way = fact(What.ON_THE_WAY, share=share, caller=APP, service=hop)
    step, between = growth.high, _full_between(growth)
    if between is not None:
        busy = cpu_fact(What.UNTIMED_BUSY, between, users=step.users)
        is_full = is_cpu_saturated(between) or is_thread_full(between)
        certainty = 1.0 if is_full else _SHORT_OF_A_CORE
        return queue_candidate(
            seen,
            growth,
            CauseKind.CPU_SATURATION,
            between.service,
            parts,
            certainty,
            (way, busy, _idle(seen, hop)),
        )
    served_ms = step.call_ms(hop, Role.SRV)
    calls = step.throughput_per_s * served_ms / 1000
    facts = (
        way,
        fact(What.OWN_TIME_STAYED, service=hop, ms=served_ms),
        fact(What.CALLS_INSIDE, calls=calls, service=hop, users=step.users),
        _idle(seen, hop),
    )
    certainty = 1.0 if _is_idle(seen, hop) and _is_idle(seen, APP) else WITHOUT_EVIDENCE
    return queue_candidate(seen, growth, CauseKind.CALLER_LIMIT, hop, parts, certainty, facts)


def _callee(seen: Observations, growth: Growth, hop: str, parts: frozenset[Part]) -> Candidate:
    return _section(seen, growth, hop, parts, What.OWN_TIME)


def _own_section(
    seen: Observations, growth: Growth, service: str, parts: frozenset[Part]
) -> Candidate:
    at_the_door = growth.share_of({INGRESS})
    if at_the_door > _AT_THE_DOOR_ABOVE and _is_idle(seen, service):
        return _workers(seen, growth, service, at_the_door)
    return _section(seen, growth, service, parts, What.OUTSIDE_OF_CALLS)


def _workers(seen: Observations, growth: Growth, service: str, share: float) -> Candidate:
    """A blocked event loop shows in all of its timers; what only waits to begin waits for a
    worker."""
    facts = (
        fact(What.AT_THE_DOOR, share=share, service=service),
        fact(What.WORKS_ON, requests=workers_at_work(growth.high), users=growth.high.users),
        _idle(seen, service),
    )
    parts = frozenset({INGRESS})
    return queue_candidate(seen, growth, CauseKind.POOL_EXHAUSTION, service, parts, 1.0, facts)


def workers_at_work(step: SweepStep) -> float:
    """Requests that the application has begun with and not ended, by Little's law."""
    outside = (*BEFORE_THE_SERVER, INGRESS, RECEIVE)
    inside_ms = step.mean_ms - sum(step.parts.get(part, 0.0) for part in outside)
    return step.throughput_per_s * max(0.0, inside_ms) / 1000


def _section(
    seen: Observations, growth: Growth, service: str, parts: frozenset[Part], what: What
) -> Candidate:
    """Time that grows in a service whose CPU is idle is spent queueing for something in it."""
    facts = [fact(what, share=growth.share_of(parts), service=service), _idle(seen, service)]
    if not _is_idle(seen, service):
        return _unknown(seen, growth, service, parts, *facts)
    demand_ms = seen.queue_demand_ms
    if demand_ms is not None:
        facts.append(fact(What.HOLDS_ONE, per_s=1000 / demand_ms, demand_ms=demand_ms))
    certainty = 1.0 if seen.capacity is not None and seen.capacity.is_reached else WITHOUT_EVIDENCE
    return queue_candidate(
        seen, growth, CauseKind.SERIAL_SECTION, service, parts, certainty, tuple(facts)
    )


def _network(seen: Observations, growth: Growth, owner: Owner, parts: frozenset[Part]) -> Candidate:
    kind = {
        Role.LOOKUP: CauseKind.SLOW_NAME_LOOKUP,
        Role.CONNECT: CauseKind.SLOW_CONNECT,
        Role.TRANSFER: CauseKind.SLOW_TRANSFER,
    }[owner.role]
    found = fact(What.IN_PARTS, share=growth.share_of(parts), parts=tuple(sorted(parts)))
    return queue_candidate(seen, growth, kind, NETWORK, parts, WITHOUT_EVIDENCE, (found,))


def _is_idle(seen: Observations, service: str) -> bool:
    """Known, and not saturated (a saturated service that explains the growth came before)."""
    return seen.is_cpu_known(service)


def _idle(seen: Observations, service: str) -> Fact:
    load = service_load(seen.top, service)
    if load is None or load.cpu_saturation is None:
        return fact(What.CPU_UNKNOWN, service=service)
    return cpu_fact(What.CPU_NO_LIMIT, load)
