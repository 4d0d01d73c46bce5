"""Causes that are there at every load: slow network phases, slow dependencies, refusals, leaks."""

from __future__ import annotations

from statistics import median

from onyx_pipelines.load_test.attribution.growth import (
    parts_of_owner,
)
from onyx_pipelines.load_test.attribution.observations import (
    Candidate,
    Observations,
)
from onyx_pipelines.load_test.attribution.saturation import service_load
from onyx_pipelines.load_test.facts import What, fact
from onyx_pipelines.load_test.part import (
    APP,
    CONNECT,
    NAME_LOOKUP,
    NETWORK,
    RECEIVE,
    TLS,
    Owner,
    Part,
    Role,
)
from onyx_pipelines.load_test.results import Cause, CauseKind, SweepStep

_REFUSED_ABOVE = 0.01
_PHASE_ABOVE_SHARE = 0.2
_PHASE_ABOVE_MS = 20.0
_SLOWER_ABOVE_SHARE = 0.3
_PHASES = {
    NAME_LOOKUP: CauseKind.SLOW_NAME_LOOKUP,
    CONNECT: CauseKind.SLOW_CONNECT,
    TLS: CauseKind.SLOW_CONNECT,
    RECEIVE: CauseKind.SLOW_TRANSFER,
}


def refusal_candidate(seen: Observations) -> Candidate | None:
    """More than 1 % of the requests were turned away for their rate."""
    refusal = seen.refusal
    if refusal is None or refusal.share <= _REFUSED_ABOVE:
        return None
    service = refusal.hop or APP
    facts = [
        fact(
            What.REFUSED,
            share=refusal.share,
            users=refusal.users,
            accepted_per_s=refusal.accepted_per_s,
        )
    ]
    if refusal.hop is not None:
        facts.append(fact(What.REFUSED_BY, service=refusal.hop))
    cause = Cause(
        kind=CauseKind.RATE_LIMIT,
        service=service,
        share=refusal.share,
        confidence=1.0 if refusal.hop is not None else 0.6,
        demand_ms=1000 / refusal.accepted_per_s if refusal.accepted_per_s > 0 else None,
        facts=tuple(facts),
    )
    return Candidate(cause=cause, cost_ms=float("inf"), parts=frozenset())


def phase_candidates(seen: Observations) -> list[Candidate]:
    """Network phases that are more than 20 % and 20 ms of the latency at the median step."""
    found: list[Candidate] = []
    for part, kind in _PHASES.items():
        time_ms = median(step.parts.get(part, 0.0) for step in seen.steps)
        share = median(
            step.parts.get(part, 0.0) / step.mean_ms for step in seen.steps if step.mean_ms > 0
        )
        if share > _PHASE_ABOVE_SHARE and time_ms > _PHASE_ABOVE_MS:
            cause = Cause(
                kind=kind,
                service=NETWORK,
                share=share,
                confidence=round(min(1.0, 0.6 + share), 3),
                facts=(fact(What.PHASE, part=part, ms=time_ms, share=share),),
            )
            found.append(Candidate(cause=cause, cost_ms=time_ms, parts=frozenset({part})))
    return found


def slower_candidates(seen: Observations) -> list[Candidate]:
    """Owners that take more than 30 % of the baseline's latency longer at equal numbers of users,
    the most slowed first."""
    pairs = _common_steps(seen)
    if not pairs:
        return []
    names = {name for now, before in pairs for name in (*now.parts, *before.parts)}
    found: list[Candidate] = []
    for owner in {name.owner for name in names}:
        parts = parts_of_owner(names, owner)
        slower_ms = median(_sum(now, parts) - _sum(before, parts) for now, before in pairs)
        before_ms = median(before.mean_ms for _, before in pairs)
        if slower_ms > _SLOWER_ABOVE_SHARE * before_ms:
            now_ms = median(now.mean_ms for now, _ in pairs)
            typical_ms = _slower_by_ms(pairs, parts) if seen.is_steady else slower_ms
            found.append(_slower(seen, owner, parts, typical_ms, slower_ms / now_ms, before_ms))
    return sorted(found, key=lambda candidate: -candidate.cost_ms)


def _slower_by_ms(pairs: list[tuple[SweepStep, SweepStep]], parts: frozenset[Part]) -> float:
    """Over all requests of the common steps: their many samples are better than any one step."""
    weights = [min(now.samples, before.samples) for now, before in pairs]
    slower = [_sum(now, parts) - _sum(before, parts) for now, before in pairs]
    return sum(w * ms for w, ms in zip(weights, slower, strict=True)) / max(1, sum(weights))


def slower_call_ms(seen: Observations, hop: str) -> float:
    """How much longer one call to the hop takes than in the baseline, at the lightest common
    load; 0 if that is not more than 30 % of the baseline's latency."""
    pairs = _common_steps(seen)[:1]
    for now, before in pairs:
        slower_ms = now.call_ms(hop, Role.SRV) - before.call_ms(hop, Role.SRV)
        if slower_ms > _SLOWER_ABOVE_SHARE * before.mean_ms:
            return _slower_by_ms(_common_steps(seen), frozenset({Part.of_call(hop, Role.SRV)}))
    return 0.0


def slow_call_candidate(seen: Observations, queue: Candidate, slower_ms: float) -> Candidate:
    """A queue in front of a hop whose calls have become slow is the slow hop's doing."""
    now = seen.steps[0]
    hop = queue.cause.service
    parts = queue.parts | {Part.of_call(hop, Role.SRV)}
    slow = _slower(
        seen,
        Owner(hop, Role.SRV),
        parts,
        slower_ms,
        slower_ms / now.mean_ms,
        now.mean_ms - slower_ms,
    )
    # The queue's own first fact is how latency grew, the second how much of that is its doing.
    facts = (*slow.cause.facts, fact(What.QUEUED_BECAUSE), queue.cause.facts[1])
    cause = slow.cause.model_copy(update={"facts": facts})
    return Candidate(
        cause, queue.cost_ms + slower_ms, parts, is_of_growth=True, slower_ms=slower_ms
    )


def memory_candidates(seen: Observations) -> list[Candidate]:
    """Services whose memory only rises; costs no latency until it is used up."""
    found: list[Candidate] = []
    for growth in seen.memory_growths:
        cause = Cause(
            kind=CauseKind.MEMORY_GROWTH,
            service=growth.service,
            share=growth.risen_bytes / (growth.start_bytes + growth.risen_bytes),
            confidence=0.8,
            facts=(
                fact(
                    What.MEMORY_ROSE,
                    service=growth.service,
                    risen_mb=growth.risen_bytes / 1e6,
                    observed_s=growth.observed_s,
                    kb_per_request=growth.bytes_per_request / 1e3,
                ),
            ),
        )
        found.append(Candidate(cause=cause, cost_ms=0.0, parts=frozenset()))
    return found


def _slower(
    seen: Observations,
    owner: Owner,
    parts: frozenset[Part],
    slower_ms: float,
    share: float,
    before_ms: float,
) -> Candidate:
    service = owner.service
    facts = [fact(What.SLOWER, service=service, slower_ms=slower_ms, before_ms=before_ms)]
    if owner.role == Role.GAP:
        facts.append(fact(What.SLOWER_ON_THE_WAY, service=service))
    load = service_load(seen.top, service)
    if load is not None and load.cpu_saturation is not None:
        facts.append(fact(What.CPU_BUSY, share=load.cpu_saturation))
    cause = Cause(
        kind=CauseKind.SLOW_DEPENDENCY,
        service=service,
        share=min(1.0, share),
        confidence=round(min(1.0, 0.6 + share / 2) * seen.timed_share, 3),
        facts=tuple(facts),
    )
    return Candidate(cause=cause, cost_ms=slower_ms, parts=parts, slower_ms=slower_ms)


def _common_steps(seen: Observations) -> list[tuple[SweepStep, SweepStep]]:
    before = {step.users: step for step in seen.baseline_steps if step.samples > 0}
    return [(step, before[step.users]) for step in seen.steps if step.users in before]


def _sum(step: SweepStep, parts: frozenset[Part]) -> float:
    return sum(step.parts.get(part, 0.0) for part in parts)
