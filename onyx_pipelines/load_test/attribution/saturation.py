"""Which service is full: CPU with the wait for one, pools, the host's other programs, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.results import ServiceLoad, SweepStep

GENERATOR: Final = "k6"
HOST: Final = "host"

_SATURATED_ABOVE: Final = 0.85
_THROTTLED_ABOVE: Final = 0.10
_HALF_A_CORE: Final = 0.5
_POOL_FULL_ABOVE: Final = 0.90
_GENERATOR_FULL_ABOVE: Final = 0.80

# Error rates beyond this say more of the errors than of the load.
_ANSWERED_FROM: Final = 0.01

_HOST_FULL_ABOVE: Final = 0.90
_RUN_QUEUE_ABOVE_CORES: Final = 0.2
_NEIGHBOUR_SHARE_OF_HOST: Final = 0.25

# Memory: rises within nearly every step, by more than warm-up and noise, and does not level off.
_RISING_STEPS_FROM: Final = 0.75
_RISE_ABOVE_SHARE: Final = 0.05
_RISE_ABOVE_BYTES: Final = 32 * 2**20
_LATE_RISE_FROM: Final = 0.5


def service_load(step: SweepStep, service: str) -> ServiceLoad | None:
    return next((load for load in step.services if load.service == service), None)


def services_of(step: SweepStep) -> tuple[ServiceLoad, ...]:
    """Those under test: neither the load generator nor the host."""
    return tuple(load for load in step.services if load.service not in {GENERATOR, HOST})


def is_cpu_saturated(load: ServiceLoad) -> bool:
    saturation = load.cpu_saturation
    return (saturation is not None and saturation > _SATURATED_ABOVE) or (
        load.throttled_share is not None and load.throttled_share > _THROTTLED_ABOVE
    )


def is_thread_full(load: ServiceLoad) -> bool:
    """One core of several is used up: as when one thread (an event loop) does all the work."""
    if load.cpu_cores is None or load.cores <= 1:
        return False
    # Of threads that take turns at a lock all wait for a CPU, though only one could use it.
    busy_cores = (load.cpu_cores, load.cpu_cores + (load.run_queue_cores or 0.0))
    return any(_SATURATED_ABOVE < busy <= 2 - _SATURATED_ABOVE for busy in busy_cores)


def is_short_of_a_core(load: ServiceLoad) -> bool:
    """It wants a core and more, and gets less than one: a single thread that must share its core.
    Weaker than the two above: others of the host may be what it waits for."""
    if load.cpu_cores is None:
        return False
    wanted = load.cpu_cores + (load.run_queue_cores or 0.0)
    return wanted > _SATURATED_ABOVE and _HALF_A_CORE < load.cpu_cores <= 2 - _SATURATED_ABOVE


def saturated_services(step: SweepStep) -> tuple[ServiceLoad, ...]:
    """Services whose CPU was full in this step, the fullest first."""
    full = [load for load in services_of(step) if is_cpu_saturated(load)]
    return tuple(sorted(full, key=lambda load: -(load.cpu_saturation or 0.0)))


def is_generator_saturated(step: SweepStep) -> bool:
    load = service_load(step, GENERATOR)
    saturation = None if load is None else load.cpu_saturation
    return saturation is not None and saturation > _GENERATOR_FULL_ABOVE


def pool_of(step: SweepStep, hop: str, caller: str) -> ServiceLoad | None:
    """Whoever shows the pool of connections to the hop: the hop itself or the caller."""
    for service in (hop, caller):
        load = service_load(step, service)
        if load is not None and load.pool_size:
            return load
    return None


def is_pool_full(load: ServiceLoad) -> bool:
    saturation = load.pool_saturation
    return (saturation is not None and saturation > _POOL_FULL_ABOVE) or bool(load.pool_waiting)


def neighbour_cores(steps: Sequence[SweepStep]) -> float | None:
    """Cores that programs outside of the test took at every load, if that filled the host.

    None: the host is not full, is not known, or what fills it comes with the load.
    """
    foreign: list[float] = []
    for step in steps:
        host = service_load(step, HOST)
        if host is None or host.cpu_cores is None:
            return None
        known = sum(load.cpu_cores or 0.0 for load in step.services if load.service != HOST)
        foreign.append(host.cpu_cores - known)
    host = service_load(steps[-1], HOST)
    if host is None or (host.cpu_cores or 0.0) < _HOST_FULL_ABOVE * host.cores:
        return None
    starved = any(
        (load.run_queue_cores or 0.0) > _RUN_QUEUE_ABOVE_CORES for load in services_of(steps[-1])
    )
    least = min(foreign)
    return least if starved and least > _NEIGHBOUR_SHARE_OF_HOST * host.cores else None


@dataclass(frozen=True)
class Demand:
    """Time of a resource that one request takes, divided by how many of it there are."""

    service: str
    is_pool: bool
    demand_ms: float
    utilisation: float
    servers: float


def demands(step: SweepStep) -> tuple[Demand, ...]:
    """Utilisation law, D = utilisation / throughput; the largest first.

    The wait for a CPU is left out: it is no work, and ends with whatever causes it. Requests that
    failed used the resources too.
    """
    if step.throughput_per_s <= 0:
        return ()
    all_per_s = step.throughput_per_s / max(1 - step.error_rate, _ANSWERED_FROM)
    found: list[Demand] = []
    for load in services_of(step):
        of_cpu = None if load.cpu_cores is None else load.cpu_cores / load.cores
        resources = (
            (False, of_cpu, load.cores),
            (True, load.pool_saturation, load.pool_size or 0.0),
        )
        for is_pool, utilisation, servers in resources:
            if utilisation is not None and utilisation > 0:
                demand_ms = 1000 * utilisation / all_per_s
                found.append(Demand(load.service, is_pool, demand_ms, utilisation, servers))
    return tuple(sorted(found, key=lambda demand: -demand.demand_ms))


@dataclass(frozen=True)
class MemoryGrowth:
    service: str
    start_bytes: float
    risen_bytes: float
    observed_s: float
    requests: int

    @property
    def bytes_per_request(self) -> float:
        return self.risen_bytes / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Window:
    """A time of constant load."""

    started_ms: float
    ended_ms: float
    requests: int


def memory_growths(telemetry: pd.DataFrame, windows: Sequence[Window]) -> tuple[MemoryGrowth, ...]:
    """Services whose memory rises within windows of constant load, the steepest first.

    windows: in the order of time. A rise from one to the next is no leak (more users hold more
    memory), so only what is gained within a window counts.
    """
    found: list[MemoryGrowth] = []
    for service, rows in telemetry.groupby("service"):
        if service in {GENERATOR, HOST}:
            continue
        growth = _memory_growth(str(service), rows, windows)
        if growth is not None:
            found.append(growth)
    return tuple(sorted(found, key=lambda growth: -growth.risen_bytes))


def _memory_growth(
    service: str, rows: pd.DataFrame, windows: Sequence[Window]
) -> MemoryGrowth | None:
    rises: list[float] = []
    requests: list[int] = []
    observed_ms = 0.0
    start_bytes: float | None = None
    known = rows.loc[rows["memory_bytes"].notna()]
    all_at = known["at_ms"].to_numpy(dtype=np.float64)
    all_used = known["memory_bytes"].to_numpy(dtype=np.float64)
    for window in windows:
        inside = (all_at >= window.started_ms) & (all_at <= window.ended_ms)
        at, used = all_at[inside], all_used[inside]
        span_ms = window.ended_ms - window.started_ms
        if len(at) < 3 or at[0] == at[-1]:
            continue
        rises.append(float(np.polyfit(at - at[0], used, 1)[0]) * span_ms)
        requests.append(window.requests)
        observed_ms += span_ms
        start_bytes = float(used[0]) if start_bytes is None else start_bytes
    if start_bytes is None or len(rises) < 3:
        return None
    risen = sum(rises)
    is_rising = np.mean([rise > 0 for rise in rises]) >= _RISING_STEPS_FROM
    is_large = risen > max(_RISE_ABOVE_BYTES, _RISE_ABOVE_SHARE * start_bytes)
    if not (is_rising and is_large and _keeps_rising(rises, requests)):
        return None
    return MemoryGrowth(service, start_bytes, risen, observed_ms / 1000, sum(requests))


def _keeps_rising(rises: Sequence[float], requests: Sequence[int]) -> bool:
    """Per request the second half still rises; a cache that fills levels off."""
    half = len(rises) // 2
    early = sum(rises[:half]) / max(1, sum(requests[:half]))
    late = sum(rises[half:]) / max(1, sum(requests[half:]))
    return late >= _LATE_RISE_FROM * early and late > 0
