"""A closed queueing network with known demands: what a remedy would change, before it is made.

Exact for exponential service (Buzen's convolution, Comm. ACM 16(9), 1973); the bounds hold for any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Station:
    """`servers` that serve one queue; a request needs one of them for `service_ms` in total."""

    name: str
    servers: int
    service_ms: float

    @property
    def demand_ms(self) -> float:
        """Its inverse bounds the throughput."""
        return self.service_ms / self.servers


@dataclass(frozen=True)
class Network:
    """Stations, and a delay that nobody queues for."""

    stations: tuple[Station, ...]
    delay_ms: float

    @property
    def base_ms(self) -> float:
        """The latency of a single user."""
        return self.delay_ms + sum(station.service_ms for station in self.stations)

    @property
    def bottleneck(self) -> Station | None:
        return max(self.stations, key=lambda station: station.demand_ms, default=None)

    def likely_mean_ms(self, users: int) -> float:
        """Between the two: real requests are neither clockwork nor exponential."""
        return float(np.sqrt(self.mean_at_best_ms(users) * self.mean_ms(users)))

    def without_delay(self, saved_ms: float) -> Network:
        return replace(self, delay_ms=max(0.0, self.delay_ms - saved_ms))

    def with_station(self, station: Station | None, *, instead_of: str) -> Network:
        """`None` takes the station's queue away; its service time goes too."""
        kept = tuple(each for each in self.stations if each.name != instead_of)
        return replace(self, stations=kept if station is None else (station, *kept))

    def mean_ms(self, users: int) -> float:
        """Mean latency with exponential service: what irregular requests come to."""
        if not self.base_ms:
            return 0.0
        unit_ms = self.mean_at_best_ms(users) / users
        terms = _delay_terms(self.delay_ms / unit_ms, users)
        for station in self.stations:
            of_station = _station_terms(station, unit_ms, users)
            terms = np.convolve(terms, of_station)[: users + 1]
            terms /= terms.max()
        return float(users * unit_ms * terms[users] / terms[users - 1])

    def mean_at_best_ms(self, users: int) -> float:
        """Mean latency if requests never collided by chance: the asymptotic bound."""
        bottleneck = self.bottleneck
        return max(self.base_ms, users * bottleneck.demand_ms if bottleneck is not None else 0.0)


def _delay_terms(delay: float, users: int) -> _Array:
    """delay^n / n!, the largest of them being 1: a common factor does not change the result."""
    return _exponential(_powers(delay, users) - _log_products(users, users))


def _station_terms(station: Station, unit_ms: float, users: int) -> _Array:
    """service^n / (min(1, m) min(2, m) ... min(n, m)), the largest of them being 1."""
    at_work = _log_products(users, station.servers)
    return _exponential(_powers(station.service_ms / unit_ms, users) - at_work)


def _powers(base: float, most: int) -> _Array:
    """Logarithms of base^0 to base^most."""
    exponents = np.arange(most + 1, dtype=np.float64)
    if base > 0:
        powers: _Array = exponents * np.log(base)
        return powers
    return np.concatenate(([0.0], np.full(most, -np.inf)))


@lru_cache(maxsize=128)
def _log_products(most: int, servers: int) -> _Array:
    """Logarithms of the products of min(1, servers) to min(n, servers), n from 0 to `most`."""
    factors = np.minimum(np.arange(1, most + 1), servers)
    return np.concatenate(([0.0], np.cumsum(np.log(factors))))


def _exponential(logarithms: _Array) -> _Array:
    values: _Array = np.exp(logarithms - logarithms.max())
    return values
