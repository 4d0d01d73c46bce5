"""What to do about a cause: a knob and its value, what it should bring, and how to verify it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onyx_pipelines.load_test.attribution.observations import Candidate, Observations, percent
from onyx_pipelines.load_test.attribution.predictions import (
    Situation,
    gains,
    pool_station,
    servers_for,
    situation_of,
)
from onyx_pipelines.load_test.attribution.queueing import Network, Station
from onyx_pipelines.load_test.attribution.saturation import HOST, service_load
from onyx_pipelines.load_test.part import APP, NETWORK
from onyx_pipelines.load_test.results import Cause, CauseKind, Remedy

# Of the time that a slow call keeps a connection: it never becomes nothing.
_MOST_SAVED = 0.99
_VERIFY = (
    "Run the load test again and compare the step of {users} users with what is predicted here."
)


def remedies_for(seen: Observations, best: Candidate) -> tuple[Remedy, ...]:
    """The most effective first; by the queueing model of `predictions`."""
    if not seen.steps:
        return ()
    case = _Case(seen, best, situation_of(seen, best))
    remedies = _REMEDIES[best.cause.kind](case)
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


def _remedy(
    case: _Case,
    changed: Network | None,
    *,
    action: str,
    risk: str,
    effort: str,
) -> Remedy:
    return Remedy(
        cause=case.cause.kind,
        service=case.cause.service,
        action=action,
        gains=() if changed is None else gains(case.situation, changed),
        risk=risk,
        effort=effort,
        verify=_VERIFY.format(users=case.situation.users),
    )


def _risk_of_cores(case: _Case, cores: int) -> str:
    host = service_load(case.seen.top, HOST)
    if host is None or cores < host.cores:
        return "The host must have the cores to spare."
    return (
        f"The host has {host.cores:g} cores for everything: it takes a larger one, or a machine "
        f"for {case.cause.service} alone."
    )


def _pool(case: _Case) -> list[Remedy]:
    limit = case.situation.limit
    if limit is None:
        return []
    size = servers_for(case.situation, limit.service_ms)
    if case.cause.service == APP:
        return [_workers(case, limit, size)]
    return [
        _remedy(
            case,
            _with_servers(case.situation, limit, size),
            action=f"Give the pool of connections to {case.cause.service} {size} connections "
            f"({limit.servers} now).",
            risk=f"{case.cause.service} must accept the sum of all pools; more connections bring "
            "nothing once its own CPU or disks are full.",
            effort="low: one setting",
        ),
        _remedy(
            case,
            _with_service(case.situation, limit, limit.service_ms / 2, rest_is_delay=True),
            action=f"Hold a connection half as long ({limit.service_ms:.0f} ms now): give it "
            "back before other services are called.",
            risk="Transactions are cut; check what must stay atomic.",
            effort="medium: a change of code",
        ),
    ]


def _workers(case: _Case, limit: Station, size: int) -> Remedy:
    return _remedy(
        case,
        _with_servers(case.situation, limit, size),
        action=f"Let {case.cause.service} work on {size} requests at once (about {limit.servers} "
        "now): its worker processes, its threads, or its limit of concurrent requests.",
        risk="Memory per worker; pools and services behind it get the load that the limit kept "
        "away.",
        effort="low: one setting",
    )


def _caller_limit(case: _Case) -> list[Remedy]:
    limit = case.situation.limit
    if limit is None:
        return []
    size = servers_for(case.situation, limit.service_ms)
    return [
        _remedy(
            case,
            _with_servers(case.situation, limit, size),
            action=f"Let the caller have {size} calls to {case.cause.service} under way at once "
            f"(about {limit.servers} now): connections of its HTTP client, workers, threads.",
            risk=f"{case.cause.service} gets the load that the limit kept away from it.",
            effort="low: one setting",
        )
    ]


def _cpu(case: _Case) -> list[Remedy]:
    limit = case.situation.limit
    if limit is None:
        return []
    if case.cause.service == HOST:
        return [_own_machine(case)]
    cores = servers_for(case.situation, limit.service_ms)
    return [
        _remedy(
            case,
            _with_servers(case.situation, limit, cores),
            action=f"Give {case.cause.service} {cores} cores, with as many worker processes "
            f"({limit.servers} now).",
            risk=_risk_of_cores(case, cores),
            effort="low: one setting",
        ),
        _remedy(
            case,
            _with_service(case.situation, limit, limit.service_ms / 2, rest_is_delay=False),
            action=f"Halve the {limit.service_ms:.1f} ms of CPU that a request takes in "
            f"{case.cause.service}: profile it under this load, and begin with its top function.",
            risk="None for the data.",
            effort="medium: profiling and a change of code",
        ),
    ]


def _own_machine(case: _Case) -> Remedy:
    """What the host's other programs leave is not known, so no gain is foretold."""
    return _remedy(
        case,
        None,
        action="Stop the host's other programs, or give the services a machine or CPU shares of "
        "their own; then measure again, for this run says little of the services themselves.",
        risk="The other programs have owners too.",
        effort="low: scheduling",
    )


def _serial_section(case: _Case) -> list[Remedy]:
    limit = case.situation.limit
    if limit is None:
        return []
    return [
        _remedy(
            case,
            _with_servers(case.situation, limit, max(limit.servers + 1, case.situation.users)),
            action=f"Take the {limit.service_ms:.1f} ms that only one request at a time can have "
            f"in {case.cause.service} out of the lock: a copy per worker, a finer lock, or none.",
            risk="What the lock protects must be safe without it.",
            effort="medium: find the lock (thread dumps under load), then a change of code",
        ),
        _remedy(
            case,
            _with_service(case.situation, limit, limit.service_ms / 2, rest_is_delay=False),
            action=f"Halve what is done inside of the lock of {case.cause.service} "
            f"({limit.service_ms:.1f} ms now).",
            risk="Low.",
            effort="medium: a change of code",
        ),
    ]


def _rate_limit(case: _Case) -> list[Remedy]:
    limit = case.situation.limit
    if limit is None:
        return []
    wanted = 1.3 * case.situation.wanted_per_s
    return [
        _remedy(
            case,
            _without_limit(case.situation, limit),
            action=f"Raise the rate limit of {case.cause.service} to {wanted:.0f} requests/s "
            f"({1000 / limit.demand_ms:.1f}/s now), or queue and cache in front of it.",
            risk="Cost, and the load that the limit kept away.",
            effort="low: one setting, if the provider grants it",
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
    return [
        _remedy(
            case,
            changed,
            action=f"Bring {case.cause.service} back to what it was, {slower_ms:.0f} ms less per "
            "request: compare its version, configuration, data size, indexes and caches with "
            "those of the baseline.",
            risk="None for a return to what was.",
            effort="medium: find the change",
        )
    ]


_PHASE_ACTIONS = {
    CauseKind.SLOW_NAME_LOOKUP: "Keep connections alive, cache names on the host, or pin the "
    "address: looking up the name takes {saved:.0f} ms per request.",
    CauseKind.SLOW_CONNECT: "Keep connections alive and resume TLS sessions: connecting takes "
    "{saved:.0f} ms per request.",
    CauseKind.SLOW_TRANSFER: "Halve the answer's bytes (compression, fewer fields, fewer chunks) "
    "or double the bandwidth: the transfer takes {saved:.0f} ms per request.",
}


def _phase(case: _Case) -> list[Remedy]:
    requests = sum(step.samples for step in case.seen.steps)
    phase_ms = sum(
        step.samples * step.parts.get(part, 0.0) / requests
        for step in case.seen.steps
        for part in case.best.parts
    )
    saved_ms = phase_ms / 2 if case.cause.kind is CauseKind.SLOW_TRANSFER else phase_ms
    queueless = Network(
        tuple(each for each in case.situation.network.stations if each != case.situation.limit),
        case.situation.network.delay_ms
        + (case.situation.limit.service_ms if case.situation.limit else 0.0),
    )
    return [
        _remedy(
            case,
            None if case.best.is_of_growth else queueless.without_delay(saved_ms),
            action=_PHASE_ACTIONS[case.cause.kind].format(saved=phase_ms),
            risk="Low.",
            effort="low: settings of client, proxy or resolver",
        )
    ]


def _memory(case: _Case) -> list[Remedy]:
    growth = next(
        each for each in case.seen.memory_growths if each.service == case.best.cause.service
    )
    per_hour = growth.risen_bytes / growth.observed_s * 3600 / 1e9
    return [
        _remedy(
            case,
            None,
            action=f"Find what {growth.service} keeps: compare two heap snapshots under this "
            f"load. It gains {per_hour:.1f} GB per hour of it; until then restart it in time.",
            risk="A restart drops the requests under way.",
            effort="medium: heap snapshots and a change of code",
        )
    ]


def _unknown(case: _Case) -> list[Remedy]:
    told = percent(case.seen.timed_share)
    place = "the network" if case.best.cause.service == NETWORK else case.best.cause.service
    return [
        _remedy(
            case,
            None,
            action=f"Measure inside of {place} first: Server-Timing of every call with the "
            f"callee's own time ({told} of the latency is accounted for now), its CPU with the "
            "wait for one, and its pools.",
            risk="None.",
            effort="low: instrumentation",
        )
    ]


_Remedies = Callable[[_Case], list[Remedy]]

_REMEDIES: dict[CauseKind, _Remedies] = {
    CauseKind.CPU_SATURATION: _cpu,
    CauseKind.POOL_EXHAUSTION: _pool,
    CauseKind.CALLER_LIMIT: _caller_limit,
    CauseKind.SERIAL_SECTION: _serial_section,
    CauseKind.SLOW_DEPENDENCY: _slow_dependency,
    CauseKind.RATE_LIMIT: _rate_limit,
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
