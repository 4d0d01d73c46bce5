"""What to do about a cause: a knob and its value, what it should bring, and how to verify it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onyx_pipelines.load_test.attribution.observations import Candidate, Observations
from onyx_pipelines.load_test.attribution.predictions import (
    Situation,
    gains,
    pool_station,
    servers_for,
    situation_of,
)
from onyx_pipelines.load_test.attribution.queueing import Network, Station
from onyx_pipelines.load_test.attribution.saturation import HOST, service_load
from onyx_pipelines.load_test.facts import RemedyKind, Value
from onyx_pipelines.load_test.part import APP, NETWORK
from onyx_pipelines.load_test.results import Cause, CauseKind, Remedy

# Of the time that a slow call keeps a connection: it never becomes nothing.
_MOST_SAVED = 0.99


def remedies_for(seen: Observations, best: Candidate) -> tuple[Remedy, ...]:
    """The most effective first; by the queueing model of `predictions`."""
    if not seen.steps:
        return ()
    case = _Case(seen, best, situation_of(seen, best))
    of_limit, limit = _OF_LIMIT.get(best.cause.kind), case.situation.limit
    if of_limit is None:
        remedies = _OTHERS[best.cause.kind](case)
    else:
        remedies = of_limit(case, limit) if limit is not None else []
    return tuple(sorted(remedies, key=_predicted_ms))


def _predicted_ms(remedy: Remedy) -> float:
    return remedy.gains[0].predicted if remedy.gains else float("inf")


@dataclass(frozen=True)
class _Case:
    seen: Observations
    best: Candidate
    situation: Situation

    @property
    def cause(self) -> Cause:
        return self.best.cause


def _remedy(case: _Case, kind: RemedyKind, changed: Network | None, **figures: Value) -> Remedy:
    return Remedy(
        cause=case.cause.kind,
        service=case.cause.service,
        kind=kind,
        users=case.situation.users,
        figures=figures,
        gains=() if changed is None else gains(case.situation, changed),
    )


def _wider(case: _Case, kind: RemedyKind, limit: Station, **figures: Value) -> Remedy:
    """As many servers as the wanted throughput keeps busy."""
    size = servers_for(case.situation, limit.service_ms)
    changed = _with_servers(case.situation, limit, size)
    return _remedy(case, kind, changed, servers=size, now=limit.servers, **figures)


def _pool(case: _Case, limit: Station) -> list[Remedy]:
    if case.cause.service == APP:
        return [_wider(case, RemedyKind.MORE_WORKERS, limit)]
    shorter = _with_service(case.situation, limit, limit.service_ms / 2, rest_is_delay=True)
    return [
        _wider(case, RemedyKind.MORE_CONNECTIONS, limit),
        _remedy(case, RemedyKind.SHORTER_HOLD, shorter, ms=limit.service_ms),
    ]


def _caller_limit(case: _Case, limit: Station) -> list[Remedy]:
    return [_wider(case, RemedyKind.MORE_CALLS, limit)]


def _cpu(case: _Case, limit: Station) -> list[Remedy]:
    if case.cause.service == HOST:
        # What the host's other programs leave is not known, so no gain is foretold.
        return [_remedy(case, RemedyKind.OWN_MACHINE, None)]
    host = service_load(case.seen.top, HOST)
    halved = _with_service(case.situation, limit, limit.service_ms / 2, rest_is_delay=False)
    if host is None or servers_for(case.situation, limit.service_ms) < host.cores:
        more = _wider(case, RemedyKind.MORE_CORES, limit)
    else:
        more = _wider(case, RemedyKind.MORE_CORES_THAN_THERE_ARE, limit, host_cores=host.cores)
    return [more, _remedy(case, RemedyKind.LESS_CPU, halved, ms=limit.service_ms)]


def _serial_section(case: _Case, limit: Station) -> list[Remedy]:
    free = _with_servers(case.situation, limit, max(limit.servers + 1, case.situation.users))
    halved = _with_service(case.situation, limit, limit.service_ms / 2, rest_is_delay=False)
    return [
        _remedy(case, RemedyKind.NO_LOCK, free, ms=limit.service_ms),
        _remedy(case, RemedyKind.SHORTER_LOCK, halved, ms=limit.service_ms),
    ]


def _rate_limit(case: _Case, limit: Station) -> list[Remedy]:
    return [
        _remedy(
            case,
            RemedyKind.HIGHER_RATE,
            _without_limit(case.situation, limit),
            wanted_per_s=1.3 * case.situation.wanted_per_s,
            now_per_s=1000 / limit.demand_ms,
        )
    ]


def _slow_dependency(case: _Case) -> list[Remedy]:
    limit = case.situation.limit
    slower_ms = case.best.slower_ms
    network = case.situation.network
    held = limit or next(
        (each for each in network.stations if each.name == pool_station(case.cause.service)), None
    )
    if held is None:
        changed = network.without_delay(slower_ms)
    else:
        saved_ms = min(slower_ms, _MOST_SAVED * held.service_ms)
        changed = _with_service(
            case.situation, held, held.service_ms - saved_ms, rest_is_delay=False
        ).without_delay(slower_ms - saved_ms)
    return [_remedy(case, RemedyKind.AS_IT_WAS, changed, ms=slower_ms)]


_PHASES = {
    CauseKind.SLOW_NAME_LOOKUP: RemedyKind.NO_LOOKUP,
    CauseKind.SLOW_CONNECT: RemedyKind.NO_CONNECT,
    CauseKind.SLOW_TRANSFER: RemedyKind.LESS_TRANSFER,
}


def _phase(case: _Case) -> list[Remedy]:
    requests = sum(step.samples for step in case.seen.steps)
    phase_ms = sum(
        step.samples * step.parts.get(part, 0.0) / requests
        for step in case.seen.steps
        for part in case.best.parts
    )
    saved_ms = phase_ms / 2 if case.cause.kind is CauseKind.SLOW_TRANSFER else phase_ms
    limit = case.situation.limit
    queueless = Network(
        tuple(each for each in case.situation.network.stations if each != limit),
        case.situation.network.delay_ms + (limit.service_ms if limit else 0.0),
    )
    changed = None if case.best.is_of_growth else queueless.without_delay(saved_ms)
    return [_remedy(case, _PHASES[case.cause.kind], changed, ms=phase_ms)]


def _memory(case: _Case) -> list[Remedy]:
    growth = next(each for each in case.seen.memory_growths if each.service == case.cause.service)
    per_hour = growth.risen_bytes / growth.observed_s * 3600 / 1e9
    return [_remedy(case, RemedyKind.FIND_THE_LEAK, None, gb_per_hour=per_hour)]


def _unknown(case: _Case) -> list[Remedy]:
    place = "the network" if case.cause.service == NETWORK else case.cause.service
    timed = case.seen.timed_share
    return [_remedy(case, RemedyKind.MEASURE_INSIDE, None, place=place, timed_share=timed)]


_OF_LIMIT: dict[CauseKind, Callable[[_Case, Station], list[Remedy]]] = {
    CauseKind.CPU_SATURATION: _cpu,
    CauseKind.POOL_EXHAUSTION: _pool,
    CauseKind.CALLER_LIMIT: _caller_limit,
    CauseKind.SERIAL_SECTION: _serial_section,
    CauseKind.RATE_LIMIT: _rate_limit,
}
_OTHERS: dict[CauseKind, Callable[[_Case], list[Remedy]]] = {
    CauseKind.SLOW_DEPENDENCY: _slow_dependency,
    CauseKind.SLOW_NAME_LOOKUP: _phase,
    CauseKind.SLOW_CONNECT: _phase,
    CauseKind.SLOW_TRANSFER: _phase,
    CauseKind.MEMORY_GROWTH: _memory,
    CauseKind.UNKNOWN: _unknown,
}


def _with_servers(situation: Situation, limit: Station, servers: int) -> Network:
    wider = Station(limit.name, servers, limit.service_ms)
    return situation.network.with_station(wider, instead_of=limit.name)


def _with_service(
    situation: Situation, limit: Station, service_ms: float, *, rest_is_delay: bool
) -> Network:
    """What the station no longer does is either done elsewhere or not at all."""
    shorter = Station(limit.name, limit.servers, service_ms)
    changed = situation.network.with_station(shorter, instead_of=limit.name)
    return changed.without_delay(service_ms - limit.service_ms) if rest_is_delay else changed


def _without_limit(situation: Situation, limit: Station) -> Network:
    """A rate limit takes no time of its own."""
    free = situation.network.with_station(None, instead_of=limit.name)
    return free.without_delay(-limit.service_ms)
