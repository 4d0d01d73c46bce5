"""What a load test sends, in which order. Pure: the same profile always gives the same units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.load_test.results import Block, Scenario

_START_UP_S: Final = 1.0


class Profile(BaseModel):
    """How hard and how long.

    The baseline block is AC9.6.1: `users` that send `messages` each (100 in all), `repeats`
    times, because one run of 100 proves little of its 95th percentile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    scenarios: tuple[Scenario, ...] = tuple(Scenario)
    users: int = Field(default=20, ge=1, le=1000)
    messages: int = Field(default=5, ge=1, le=10_000)
    repeats: int = Field(default=5, ge=1, le=20)
    sweep_users: tuple[int, ...] = (1, 2, 4, 8, 16, 20, 24, 32)
    step_s: float = Field(default=15.0, ge=1)
    open_s: float = Field(default=60.0, ge=0, description="0: no open-model run.")
    open_share: float = Field(default=0.7, gt=0, le=1, description="Of the highest throughput.")
    longest_unit_s: float = Field(
        default=300.0, gt=0, description="A unit that takes longer is cut off."
    )
    max_error_rate: float = Field(
        default=0.5, gt=0, le=1, description="Beyond it the test is aborted, to spare the target."
    )

    def changed(self, **changes: object) -> Profile:
        """With these in the place of its own; what is None stays as it is.

        Raises:
            ValidationError: there can be no such load test.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        return Profile.model_validate({**self.model_dump(), **given})


FULL: Final = Profile(name="full")
QUICK: Final = Profile(
    name="quick", repeats=3, sweep_users=(1, 4, 8, 20, 32), step_s=4, open_s=0, longest_unit_s=120
)
PROFILES: Final = {profile.name: profile for profile in (FULL, QUICK)}


def profile_named(name: str) -> Profile:
    """Raises SettingsError: there is none of that name."""
    found = PROFILES.get(name)
    if found is None:
        raise SettingsError(
            f"There is no load-test profile {name!r}.",
            remedy=f"Take one of {', '.join(PROFILES)}.",
        )
    return found


@dataclass(frozen=True)
class Unit:
    """What is run and kept whole or not at all: one k6 process.

    `messages` per user bounds it, or else `duration_s`. With `rate_per_s` requests arrive at that
    rate whatever the answers do (an open model), and `users` is only how many may wait at once.
    """

    scenario: Scenario
    block: Block
    users: int
    repeat: int = 1
    messages: int | None = None
    duration_s: float | None = None
    rate_per_s: float | None = None

    @property
    def name(self) -> str:
        """Unique in a plan, and a folder's name."""
        part = {
            Block.WARM_UP: "warm-up",
            Block.BASELINE: f"repeat-{self.repeat:02}",
            Block.SWEEP: f"users-{self.users:03}",
            Block.OPEN: "open",
        }[self.block]
        return f"{self.scenario.value}/{part}"

    @property
    def planned_requests(self) -> int | None:
        """None where time and not number bounds it."""
        return self.users * self.messages if self.messages is not None else None

    def at_rate(self, rate_per_s: float, users: int) -> Unit:
        """An open unit once the sweep has shown what the target can do."""
        return replace(self, rate_per_s=rate_per_s, users=users)


def plan(profile: Profile) -> tuple[Unit, ...]:
    """Scenarios take turns within a block, so that slow drift hits all of them alike."""
    return tuple(
        unit
        for block in (_warm_up, _baseline, _sweep, _open)
        for unit in block(profile, profile.scenarios)
    )


def expected_seconds(units: Sequence[Unit], mean_s: float) -> float:
    """How long the plan takes if a request takes `mean_s`."""
    return sum(
        _START_UP_S
        + (unit.duration_s if unit.duration_s is not None else (unit.messages or 1) * mean_s)
        for unit in units
    )


def _warm_up(profile: Profile, scenarios: Sequence[Scenario]) -> Iterator[Unit]:
    for scenario in scenarios:
        yield Unit(scenario, Block.WARM_UP, users=min(profile.users, 20), messages=1)


def _baseline(profile: Profile, scenarios: Sequence[Scenario]) -> Iterator[Unit]:
    for repeat in range(1, profile.repeats + 1):
        for scenario in scenarios:
            yield Unit(
                scenario,
                Block.BASELINE,
                users=profile.users,
                repeat=repeat,
                messages=profile.messages,
            )


def _sweep(profile: Profile, scenarios: Sequence[Scenario]) -> Iterator[Unit]:
    for users in sorted(set(profile.sweep_users)):
        for scenario in scenarios:
            yield Unit(scenario, Block.SWEEP, users=users, duration_s=profile.step_s)


def _open(profile: Profile, scenarios: Sequence[Scenario]) -> Iterator[Unit]:
    if profile.open_s > 0:
        for scenario in scenarios:
            yield Unit(scenario, Block.OPEN, users=profile.users, duration_s=profile.open_s)
