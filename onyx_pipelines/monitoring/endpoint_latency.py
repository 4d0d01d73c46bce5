"""How quickly the metrics endpoints answer (AC9.1.3: p95 under 10 ms across all services), by what
Prometheus measured at each scrape: the time over the network and for reading the page is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.monitoring.prometheus import Prometheus

OBJECTIVE_S: Final = 0.010
WINDOW: Final = "1h"
QUANTILES: Final = (0.5, 0.95, 0.99)
# Of fewer, the 95th percentile is the slowest one.
LEAST_SAMPLES: Final = 20
# Endpoints of this product's making; what others' exporters take can only be told.
OURS: Final = frozenset({"suna", "onyx", "onyx-pipelines"})


@dataclass(frozen=True)
class EndpointLatency:
    """Of one endpoint within the window. `quantiles_s`: in the order of `QUANTILES`."""

    job: str
    instance: str
    samples: int
    quantiles_s: tuple[float, ...]

    @property
    def p95_s(self) -> float:
        """What the objective is about."""
        return self.quantiles_s[QUANTILES.index(0.95)]

    @property
    def is_known(self) -> bool:
        """Whether there are enough scrapes to say it."""
        return self.samples >= LEAST_SAMPLES

    @property
    def is_quick(self) -> bool:
        """Within the objective."""
        return self.p95_s < OBJECTIVE_S

    @property
    def is_ours(self) -> bool:
        """Of this product's making."""
        return self.job in OURS


def endpoint_latencies(prometheus: Prometheus, window: str = WINDOW) -> tuple[EndpointLatency, ...]:
    """Of every endpoint that answered within the window, the slowest first; probes of addresses are
    none.

    Raises:
        PrometheusError: it cannot be asked.
    """
    selector = f'scrape_duration_seconds{{job!="blackbox"}}[{window}]'
    answered = '(up{job!="blackbox"} == 1)'
    counts = _by_target(prometheus, f"count_over_time({selector}) and {answered}")
    found = [
        _by_target(prometheus, f"quantile_over_time({each}, {selector}) and {answered}")
        for each in QUANTILES
    ]
    latencies = [
        EndpointLatency(*target, int(count), tuple(each[target] for each in found))
        for target, count in counts.items()
        if all(target in each for each in found)
    ]
    return tuple(sorted(latencies, key=lambda each: -each.p95_s))


def slow(latencies: Sequence[EndpointLatency], *, ours: bool) -> list[EndpointLatency]:
    """Those known to miss the objective, of our making or of others'."""
    return [e for e in latencies if e.is_known and not e.is_quick and e.is_ours is ours]


def _by_target(prometheus: Prometheus, query: str) -> dict[tuple[str, str], float]:
    return {
        (each.labels.get("job", ""), each.labels.get("instance", "")): each.points[0][1]
        for each in prometheus.instant(query)
    }
