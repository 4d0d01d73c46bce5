"""What the rules look at, and what they give: candidates for the cause, with their costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onyx_pipelines.load_test.attribution.growth import (
    Growth,
)
from onyx_pipelines.load_test.attribution.saturation import MemoryGrowth, service_load
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.results import (
    Capacity,
    Cause,
    CauseKind,
    Scenario,
    SweepStep,
)

# A cause explains more than half of the growth, or it is not named.
EXPLAINS_ABOVE: Final = 0.5
# Without positive evidence of what is full, a cause is believed this much at most.
WITHOUT_EVIDENCE: Final = 0.6


@dataclass(frozen=True)
class Refusal:
    """Requests that were turned away for their rate. `hop` None: it cannot be told where."""

    share: float
    hop: str | None
    users: int
    accepted_per_s: float


@dataclass(frozen=True)
class Observations:
    """`steps` by number of users. `timed_share`: of the requests that have a Server-Timing."""

    scenario: Scenario
    steps: tuple[SweepStep, ...]
    growth: Growth | None
    capacity: Capacity | None
    baseline_steps: tuple[SweepStep, ...]
    refusal: Refusal | None
    memory_growths: tuple[MemoryGrowth, ...]
    timed_share: float

    @property
    def top(self) -> SweepStep:
        return self.steps[-1]

    @property
    def queue_demand_ms(self) -> float | None:
        """Of the one queue that bounds throughput; from the model where it saw the knee."""
        if self.capacity is not None and self.capacity.is_reached and self.capacity.demand_ms > 0:
            return self.capacity.demand_ms
        best = max((step.throughput_per_s for step in self.steps), default=0.0)
        return 1000 / best if best > 0 else None

    @property
    def is_steady(self) -> bool:
        """Latency is the same at every load, so that all of its steps can be put together."""
        return self.growth is None or not self.growth.is_load_dependent

    def is_cpu_known(self, service: str) -> bool:
        load = service_load(self.top, service)
        return load is not None and load.cpu_saturation is not None


@dataclass(frozen=True)
class Candidate:
    """`cost_ms`: mean latency at the heaviest load that would be gone without it. `parts`: those
    whose time it explains. `is_of_growth`: its share is one of the growth of latency.
    `slower_ms`: per call, against the baseline."""

    cause: Cause
    cost_ms: float
    parts: frozenset[Part]
    is_of_growth: bool = False
    slower_ms: float = 0.0


def is_queue(kind: CauseKind) -> bool:
    """Whether it bounds throughput."""
    return kind in {
        CauseKind.CPU_SATURATION,
        CauseKind.POOL_EXHAUSTION,
        CauseKind.CALLER_LIMIT,
        CauseKind.SERIAL_SECTION,
        CauseKind.RATE_LIMIT,
        CauseKind.UNKNOWN,
    }
