"""How latency's parts grow from the lightest to the heaviest load, and whose growth it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.attribution.parts import COLUMNS_OF_PARTS, parts_of
from onyx_pipelines.load_test.part import Owner, Part, Role
from onyx_pipelines.load_test.results import Block, Interval, Scenario, SweepStep

# A queue shows as latency that grows and throughput that does not follow the users.
_GROWN_ABOVE: Final = 1.4
_EFFICIENT_FROM: Final = 0.75

_RESAMPLES: Final = 400
_TRIMMED_SHARE: Final = 0.25
_BLOCK_MS: Final = 1000.0
_SEED: Final = 20_2611


def parts_of_owner(parts: Iterable[Part], owner: Owner) -> frozenset[Part]:
    return frozenset(part for part in parts if part.owner == owner)


def is_timed_by_callee(parts: Collection[Part], hop: str) -> bool:
    """Without an account of its own, a hop's time is that of a timer in the caller."""
    return Part.of_call(hop, Role.GAP) in parts


@dataclass(frozen=True)
class Growth:
    """From the step with the fewest users to that with the most."""

    low: SweepStep
    high: SweepStep

    @property
    def deltas_ms(self) -> Mapping[Part, float]:
        names = dict.fromkeys((*self.low.parts, *self.high.parts))
        return {
            name: self.high.parts.get(name, 0.0) - self.low.parts.get(name, 0.0) for name in names
        }

    @property
    def total_ms(self) -> float:
        return sum(max(0.0, delta) for delta in self.deltas_ms.values())

    @property
    def latency_ratio(self) -> float:
        return self.high.mean_ms / self.low.mean_ms if self.low.mean_ms > 0 else 1.0

    @property
    def efficiency(self) -> float:
        """Throughput gained per user gained; 1 is perfect scaling."""
        if self.low.throughput_per_s <= 0:
            return 1.0
        gained = self.high.throughput_per_s / self.low.throughput_per_s
        return gained * self.low.users / self.high.users

    @property
    def is_load_dependent(self) -> bool:
        return self.latency_ratio > _GROWN_ABOVE and self.efficiency < _EFFICIENT_FROM

    def share_of(self, parts: Collection[Part]) -> float:
        total = self.total_ms
        if total <= 0:
            return 0.0
        return sum(max(0.0, self.deltas_ms.get(part, 0.0)) for part in parts) / total

    def shares(self) -> list[tuple[Owner, float]]:
        """Every owner's share of the growth, the largest first."""
        owners = dict.fromkeys(part.owner for part in self.deltas_ms)
        names = self.deltas_ms.keys()
        shares = [(owner, self.share_of(parts_of_owner(names, owner))) for owner in owners]
        return sorted(shares, key=lambda each: -each[1])

    def has_grown(self, parts: Collection[Part]) -> bool:
        """By the same factor that makes a latency count as grown."""
        low = sum(self.low.parts.get(part, 0.0) for part in parts)
        high = sum(self.high.parts.get(part, 0.0) for part in parts)
        return high > _GROWN_ABOVE * low


def growth_of(steps: Sequence[SweepStep]) -> Growth | None:
    """None with fewer than two different numbers of users that anyone got an answer at."""
    usable = sorted(
        (step for step in steps if step.samples > 0 and step.parts and step.mean_ms > 0),
        key=lambda step: step.users,
    )
    if len(usable) < 2 or usable[0].users == usable[-1].users:
        return None
    return Growth(low=usable[0], high=usable[-1])


def share_interval(
    samples: pd.DataFrame, scenario: Scenario, growth: Growth, parts: Collection[Part]
) -> Interval | None:
    """95 % of the parts' share of the growth, by a seeded bootstrap over blocks of one second.

    Requests of one second share a queue, so single requests would feign certainty. None with fewer
    than 3 blocks at either end.
    """
    low = _blocks(samples, scenario, growth.low.users)
    high = _blocks(samples, scenario, growth.high.users)
    if low is None or high is None:
        return None
    generator = np.random.default_rng(_SEED)
    names = sorted({*low.columns, *high.columns} - {_COUNT})
    deltas = _resampled_means(high, names, generator) - _resampled_means(low, names, generator)
    grown = np.maximum(deltas, 0.0)
    total = grown.sum(axis=1)
    mine = grown[:, [name in parts for name in names]].sum(axis=1)
    shares = np.divide(mine, total, out=np.zeros_like(total), where=total > 0)
    low_share, high_share = np.quantile(shares, (0.025, 0.975))
    return Interval(low=float(low_share), high=float(high_share))


_COLUMNS: Final = ["started_ms", "ended_ms", *COLUMNS_OF_PARTS]
_COUNT: Final = "requests in the block"


def _blocks(samples: pd.DataFrame, scenario: Scenario, users: int) -> pd.DataFrame | None:
    """Sums of the parts and counts of requests per second of one step, its start cut off."""
    mask = (
        (samples["users"] == users)
        & (samples["status"].between(200, 299))
        & (samples["block"] == Block.SWEEP.value)
        & (samples["scenario"] == scenario.value)
    )
    step = samples.loc[mask, _COLUMNS]
    if step.empty:
        return None
    started = step["started_ms"]
    first, last = started.min(), started.max()
    step = step.loc[step["ended_ms"] >= first + _TRIMMED_SHARE * (last - first)]
    second = ((step["ended_ms"] - first) // _BLOCK_MS).astype("int64").to_numpy()
    parts = parts_of(step).assign(**{_COUNT: 1.0})
    blocks = parts.groupby(second).sum()
    return blocks if len(blocks) >= 3 else None


def _resampled_means(
    blocks: pd.DataFrame, names: list[str], generator: np.random.Generator
) -> np.ndarray:
    """Means of the parts, one row per resample."""
    count = len(blocks)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    sums = blocks.reindex(columns=names, fill_value=0.0).to_numpy()
    requests = weights @ blocks[_COUNT].to_numpy()
    means: np.ndarray = (weights @ sums) / requests[:, None]
    return means
