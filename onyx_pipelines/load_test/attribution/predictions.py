"""Turns a cause into a queueing network, changes it as the remedy would, and reads off the gain.

A prediction lies between two bounds: requests that never collide by chance, and exponential ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

from onyx_pipelines.load_test.attribution.next_cause import remaining_demands
from onyx_pipelines.load_test.attribution.observations import Candidate, Observations
from onyx_pipelines.load_test.attribution.queue_causes import workers_at_work
from onyx_pipelines.load_test.attribution.queueing import Network, Station
from onyx_pipelines.load_test.attribution.saturation import is_cpu_saturated, pool_of, service_load
from onyx_pipelines.load_test.part import APP, Role
from onyx_pipelines.load_test.results import (
    Cause,
    CauseKind,
    Interval,
    PredictedGain,
    SweepStep,
)

# Head room that keeps chance collisions at a queue of several servers rare.
_HEAD_ROOM = 1.3
# How far the lightest step's mean, often of few requests, may be off.
_BASE_WITHIN_PERCENT = 30
# Measured means of a few dozen requests are no better than this.
_MEASURED_WITHIN = 0.10


@dataclass(frozen=True)
class Situation:
    """The measured system as a network; `limit` is the station that is the cause, if it is one."""

    network: Network
    limit: Station | None
    users: int
    mean_ms: float
    throughput_per_s: float
    relative_error: float

    @property
    def wanted_per_s(self) -> float:
        """What the users would ask for if nobody queued, but for the next bottleneck."""
        name = self.limit.name if self.limit is not None else ""
        rest = self.network.with_station(None, instead_of=name)
        longest = rest.bottleneck
        free_per_s = 1000 * self.users / self.network.base_ms
        if longest is None or longest.demand_ms <= 0:
            return free_per_s
        return min(free_per_s, 1000 / longest.demand_ms)


def pool_station(service: str) -> str:
    return f"pool of {service}"


def situation_of(seen: Observations, best: Candidate) -> Situation:
    """The highest throughput gives the limiting demand, all steps together the delay."""
    limit = _limit(seen, best)
    lightest_ms = seen.steps[0].mean_ms
    others = tuple(
        Station(
            pool_station(demand.service) if demand.is_pool else f"CPU of {demand.service}",
            servers,
            service_ms,
        )
        for demand in remaining_demands(seen, best.cause)
        if (servers := max(1, round(demand.servers)))
        and (service_ms := demand.demand_ms * servers) < lightest_ms
    )
    if limit is not None:
        # What is used less than the limit at full throughput demands less than it.
        others = tuple(
            each
            for each in others
            if each.demand_ms < limit.demand_ms and each.name != pool_station(best.cause.service)
        )
    stations = others if limit is None else (limit, *others)
    modelled = seen.capacity is not None and seen.capacity.is_reached
    error = seen.capacity.relative_error if seen.capacity is not None and modelled else 0.0
    return Situation(
        network=_fitted(stations, seen.steps),
        limit=limit,
        users=seen.top.users,
        mean_ms=seen.top.mean_ms,
        throughput_per_s=seen.top.throughput_per_s,
        relative_error=max(error, _MEASURED_WITHIN),
    )


def _fitted(stations: tuple[Station, ...], steps: Sequence[SweepStep]) -> Network:
    """With the delay that fits the measured means best, by relative error and samples."""
    served_ms = sum(station.service_ms for station in stations)
    lightest_ms = steps[0].mean_ms
    candidates = (
        Network(stations, max(0.0, lightest_ms * (1 + percent / 100) - served_ms))
        for percent in range(-_BASE_WITHIN_PERCENT, _BASE_WITHIN_PERCENT + 1)
    )
    return min(candidates, key=lambda network: _misfit(network, steps))


def _misfit(network: Network, steps: Sequence[SweepStep]) -> float:
    return sum(
        step.samples * log(network.likely_mean_ms(step.users) / step.mean_ms) ** 2 for step in steps
    )


def gains(situation: Situation, changed: Network) -> tuple[PredictedGain, ...]:
    """Mean latency and throughput at the sweep's heaviest load, with 95 % intervals."""
    users = situation.users
    if changed.base_ms <= 0:
        return ()
    best_ms, irregular_ms = changed.mean_at_best_ms(users), changed.mean_ms(users)
    mean_ms = changed.likely_mean_ms(users)
    spread = 1 + situation.relative_error
    low_ms, high_ms = best_ms / spread, irregular_ms * spread
    return (
        PredictedGain(
            name=f"mean latency at {users} users",
            unit="ms",
            now=situation.mean_ms,
            predicted=mean_ms,
            interval=Interval(low=low_ms, high=high_ms),
        ),
        PredictedGain(
            name=f"throughput at {users} users",
            unit="1/s",
            now=situation.throughput_per_s,
            predicted=1000 * users / mean_ms,
            interval=Interval(low=1000 * users / high_ms, high=1000 * users / low_ms),
        ),
    )


def servers_for(situation: Situation, service_ms: float) -> int:
    """How many servers the wanted throughput keeps busy, with head room, and one more at least."""
    now = situation.limit.servers if situation.limit is not None else 0
    needed = _HEAD_ROOM * situation.wanted_per_s * service_ms / 1000
    return max(now + 1, ceil(needed))


def _limit(seen: Observations, best: Candidate) -> Station | None:
    """Its throughput is known from the sweep; how many servers share it, from telemetry or from
    Little's law."""
    cause = best.cause
    demand_ms = seen.queue_demand_ms
    if demand_ms is None:
        return None
    if cause.kind is CauseKind.SLOW_DEPENDENCY and not best.is_of_growth:
        return None
    servers = _servers(seen, cause)
    return Station("limit", servers, min(demand_ms * servers, seen.steps[0].mean_ms))


def _servers(seen: Observations, cause: Cause) -> int:
    hop = cause.service
    if cause.kind in {CauseKind.SERIAL_SECTION, CauseKind.RATE_LIMIT, CauseKind.UNKNOWN}:
        return 1
    if cause.kind is CauseKind.CPU_SATURATION:
        load = service_load(seen.top, hop)
        return max(1, round(load.cores)) if load is not None and is_cpu_saturated(load) else 1
    if hop == APP:
        return max(1, round(workers_at_work(seen.top)))
    if cause.kind in {CauseKind.POOL_EXHAUSTION, CauseKind.SLOW_DEPENDENCY}:
        pool = pool_of(seen.top, hop, APP)
        if pool is not None and pool.pool_size:
            return max(1, round(pool.pool_size))
        return _by_littles_law(seen.top, hop, Role.SRV, Role.GAP)
    return _by_littles_law(seen.top, hop, Role.SRV)


def _by_littles_law(step: SweepStep, hop: str, *roles: Role) -> int:
    return max(1, round(step.throughput_per_s * step.call_ms(hop, *roles) / 1000))
