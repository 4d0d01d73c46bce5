"""Fits the queue model to a sweep, with intervals from what the fit leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from onyx_pipelines.load_test.capacity.closed_queue import Floats, throughput_per_ms
from onyx_pipelines.load_test.results import Capacity, Interval, Scenario, SweepStep

_FEWEST_STEPS: Final = 4
# A knee is seen when the last step is well past it, and throughput no longer follows the users.
_PAST_THE_KNEE: Final = 1.2
_SCALING_ABOVE: Final = 0.85
_RETROGRADE_BELOW: Final = 0.95
# A model that is off by half on the average says nothing of where the knee is.
_DESCRIBED_WITHIN: Final = 0.5
_RESAMPLES: Final = 300
_SEED: Final = 20_2611
_DRAWN_POINTS: Final = 60
# Steps of 1 % at most, far less than what noise leaves uncertain.
_LOGITS: Final = np.linspace(-12.0, 12.0, 2401)


@dataclass(frozen=True)
class _Fit:
    base_ms: float
    demand_ms: float

    @property
    def knee_users(self) -> float:
        return self.base_ms / self.demand_ms


def fit_capacity(steps: Sequence[SweepStep]) -> Capacity | None:
    """None with fewer than four numbers of users that got answers.

    Where the sweep ended before throughput levelled off, the demand is only an upper bound, and
    there is neither a knee nor a highest throughput; nor where the model does not describe what
    was measured.
    """
    used = _usable(steps)
    if len(used) < _FEWEST_STEPS:
        return None
    users = np.array([step.users for step in used])
    measured = np.array([step.throughput_per_s / 1000 for step in used])
    fitting = _Fitting(users)
    fit = fitting.fit(measured)
    predicted = _at(users, fit)
    relative_error = float(np.sqrt(np.mean((measured / predicted - 1) ** 2)))
    described = relative_error <= _DESCRIBED_WITHIN
    reached = described and _is_reached(used, fit)
    drawn = np.unique(np.geomspace(1, users[-1], _DRAWN_POINTS).round().astype(int))
    return Capacity(
        scenario=used[0].scenario,
        base_ms=fit.base_ms,
        demand_ms=fit.demand_ms if reached else _bound(used, fit),
        max_throughput_per_s=1000 / fit.demand_ms if reached else None,
        knee_users=fit.knee_users if reached else None,
        knee_interval=_knee_interval(fitting, measured, predicted) if reached else None,
        is_reached=reached,
        is_described=described,
        relative_error=relative_error,
        retrograde=_is_retrograde(used),
        model_users=tuple(float(each) for each in drawn),
        model_throughput_per_s=tuple(float(each) * 1000 for each in _at(drawn, fit)),
    )


def steps_of(steps: Sequence[SweepStep], scenario: Scenario) -> tuple[SweepStep, ...]:
    """One scenario's steps, the fewest users first."""
    mine = (step for step in steps if step.scenario is scenario)
    return tuple(sorted(mine, key=lambda step: step.users))


def _usable(steps: Sequence[SweepStep]) -> list[SweepStep]:
    answered = (step for step in steps if step.samples > 0 and step.throughput_per_s > 0)
    return sorted(answered, key=lambda step: step.users)


class _Fitting:
    """Least squares on relative errors, for many sweeps of the same users.

    The model is linear in the inverse of its base latency once the demand's share of it is given,
    so that only the share is searched for.
    """

    def __init__(self, users: Floats) -> None:
        # The share on a logit scale.
        self._shares = 1 / (1 + np.exp(-_LOGITS))
        self._of_one_ms = throughput_per_ms(
            int(users.max()), np.ones_like(self._shares), self._shares
        )[users.astype(int) - 1]

    def fits(self, measured: Floats) -> tuple[Floats, Floats]:
        """Base and demand in milliseconds, of one sweep per row.

        With the best base for a share, what is left over is least where the squared sum of the
        ratios to the model is greatest over the sum of their squares.
        """
        sums = measured @ (1 / self._of_one_ms)
        squares = measured**2 @ (1 / self._of_one_ms**2)
        best = (sums**2 / squares).argmax(axis=1)
        rows = np.arange(len(measured))
        bases_ms = sums[rows, best] / squares[rows, best]
        return bases_ms, bases_ms * self._shares[best]

    def fit(self, measured: Floats) -> _Fit:
        bases_ms, demands_ms = self.fits(measured[np.newaxis])
        return _Fit(base_ms=float(bases_ms[0]), demand_ms=float(demands_ms[0]))


def _at(users: Floats, fit: _Fit) -> Floats:
    """Requests per millisecond at these numbers of users."""
    all_users = throughput_per_ms(int(users.max()), np.array(fit.base_ms), np.array(fit.demand_ms))
    found: Floats = all_users[users.astype(int) - 1]
    return found


def _is_reached(used: Sequence[SweepStep], fit: _Fit) -> bool:
    low, high = used[0], used[-1]
    gained = high.throughput_per_s / low.throughput_per_s
    follows = gained >= _SCALING_ABOVE * high.users / low.users
    return not follows and high.users >= _PAST_THE_KNEE * fit.knee_users


def _bound(used: Sequence[SweepStep], fit: _Fit) -> float:
    """No queue of a larger demand can be there: at the last step it would have shown."""
    return min(fit.base_ms, 1000 / max(step.throughput_per_s for step in used))


def _is_retrograde(used: Sequence[SweepStep]) -> bool:
    """Throughput really falls with more users, over the last two steps at least."""
    if len(used) < _FEWEST_STEPS:
        return False
    best = max(step.throughput_per_s for step in used)
    return all(step.throughput_per_s < _RETROGRADE_BELOW * best for step in used[-2:])


def _knee_interval(fitting: _Fitting, measured: Floats, predicted: Floats) -> Interval:
    """95 % by a residual bootstrap of the fit, the residuals widened for the two parameters and
    for how few they are. Residuals are ratios, so that no resample is zero or negative."""
    generator = np.random.default_rng(_SEED)
    errors = np.log(measured / predicted)
    freedom = max(1, len(errors) - 2)
    few = float(student.ppf(0.975, freedom) / norm.ppf(0.975))
    widened = errors * np.sqrt(len(errors) / freedom) * few
    drawn = generator.choice(widened, (_RESAMPLES, len(widened)))
    bases_ms, demands_ms = fitting.fits(predicted * np.exp(drawn))
    low, high = np.quantile(bases_ms / demands_ms, (0.025, 0.975))
    return Interval(low=float(low), high=float(high))
