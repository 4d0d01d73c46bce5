"""Which sets are kept and why: a pure function of the sets, the policy and the time.

The calendar rule is borg's: newest set of each day, week and month, finest rule first, and what a
finer rule keeps does not count for a coarser one. docs/retention.md explains it by example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import RetentionSettings, StorePlace


class Tier(StrEnum):
    """What a set is retained as."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True)
class RetentionPolicy:
    """How many days, ISO weeks and months have a set kept for them, in which time zone.

    Raises:
        SettingsError: it would keep nothing, a count is negative, or the zone is unknown.
    """

    daily: int = 7
    weekly: int = 4
    monthly: int = 12
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        counts = (self.daily, self.weekly, self.monthly)
        if min(counts) < 0 or not any(counts):
            raise SettingsError(
                f"A retention of {self} would keep no set.",
                remedy="Set at least one of ONYX_KEEP_DAILY, ONYX_KEEP_WEEKLY, ONYX_KEEP_MONTHLY"
                " above 0 and none below.",
            )
        try:
            ZoneInfo(self.timezone)
        except (OSError, ValueError, KeyError):
            raise SettingsError(
                f"There is no time zone {self.timezone!r}.",
                remedy="Set ONYX_RETENTION_TIMEZONE to a name such as UTC or Europe/Berlin.",
            ) from None

    @classmethod
    def from_settings(cls, settings: RetentionSettings) -> RetentionPolicy:
        """`ONYX_KEEP_DAILY`, `_WEEKLY`, `_MONTHLY` and `ONYX_RETENTION_TIMEZONE`.

        Raises:
            SettingsError: it keeps nothing, or there is no such time zone.
        """
        return cls(
            settings.keep_daily,
            settings.keep_weekly,
            settings.keep_monthly,
            settings.retention_timezone,
        )

    def of_place(self, place: StorePlace) -> RetentionPolicy:
        """The same with what a store has of its own.

        Raises:
            SettingsError: it keeps nothing.
        """
        own = {
            name: count
            for name in ("daily", "weekly", "monthly")
            if (count := getattr(place, f"keep_{name}")) is not None
        }
        return replace(self, **own)

    @property
    def zone(self) -> ZoneInfo:
        """In which days, weeks and months begin."""
        return ZoneInfo(self.timezone)

    def __str__(self) -> str:
        return f"{self.daily} daily, {self.weekly} weekly and {self.monthly} monthly"


@dataclass(frozen=True)
class SetRecord:
    """What retention needs to know of a set in one store.

    Args:
        problem: why the set does not count, e.g. that its last verification failed; None: it is
            complete (with or without warnings).
        lacks: components that were left out on purpose.
        doubts: in what it is less than the sets before it. Neither a set in doubt nor one that
            lacks something takes the place of a good one.
        made_now: by the run that prunes.
        hold_reason: why it is held; None: it is not held.
        drill_passed: its last restore drill passed.
        copy_pending: its off-site copy has begun and is not finished.
    """

    backup_id: str
    timestamp: datetime
    problem: str | None = None
    lacks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    made_now: bool = False
    hold_reason: str | None = None
    drill_passed: bool = False
    copy_pending: bool = False

    @property
    def is_good(self) -> bool:
        """Whether it may take a place in the calendar."""
        return self.problem is None and not self.lacks and not self.doubts


@dataclass(frozen=True)
class Decision:
    """The verdict on one set. `retained_as` is None for what only a protection keeps."""

    backup_id: str
    timestamp: datetime
    keep: bool
    retained_as: Tier | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RetentionPlan:
    """Every set with its verdict, newest first."""

    policy: RetentionPolicy
    now: datetime
    decisions: tuple[Decision, ...]

    @property
    def kept(self) -> list[Decision]:
        """Newest first."""
        return [decision for decision in self.decisions if decision.keep]

    @property
    def pruned(self) -> list[Decision]:
        """Newest first."""
        return [decision for decision in self.decisions if not decision.keep]

    def prunes(self, backup_id: str) -> bool:
        """Whether this set goes. A set that the plan does not know does not."""
        return not self.keeps(backup_id)

    @property
    def future_dated(self) -> list[Decision]:
        """Sets that a wrong clock dated later than now: somebody should look."""
        return [decision for decision in self.decisions if decision.timestamp > self.now]

    def keeps(self, backup_id: str) -> bool:
        """Whether this set is kept. A set that the plan does not know is."""
        decision = self._by_id.get(backup_id)
        return decision is None or decision.keep

    def retained_as(self, backup_id: str) -> Tier | None:
        """The rule for which it is kept; None: only a protection keeps it, or it goes."""
        decision = self._by_id.get(backup_id)
        return decision.retained_as if decision else None

    @cached_property
    def _by_id(self) -> Mapping[str, Decision]:
        return {decision.backup_id: decision for decision in self.decisions}


def plan(sets: Iterable[SetRecord], policy: RetentionPolicy, *, now: datetime) -> RetentionPlan:
    """Decide on every set. The order of `sets` does not matter; ties go to the greater id.

    A set dated after `now` is kept and takes no other's place: a clock that was wrong, then or
    now, deletes nothing. A set in doubt, or a partial one, is kept beside the good ones until one
    has followed, and then for as long as days are kept: while it is newer than the oldest of them.

    Raises:
        ValueError: a time without zone, or an id that occurs twice.
    """
    given = list(sets)
    if now.tzinfo is None or any(each.timestamp.tzinfo is None for each in given):
        raise ValueError("retention needs times with a zone")
    if len({each.backup_id for each in given}) != len(given):
        raise ValueError("a backup id occurs twice")
    newest_first = sorted(given, key=lambda each: (each.timestamp, each.backup_id), reverse=True)
    counting = [each for each in newest_first if each.is_good and each.timestamp <= now]
    calendar = _calendar(counting, policy)
    protections = _Protections(
        now,
        newest=counting[0].backup_id if counting else None,
        drilled=next((each.backup_id for each in counting if each.drill_passed), None),
        days_begin=_begin_of_days(counting, calendar),
    )
    decisions = []
    for each in newest_first:
        tier, place = calendar.get(each.backup_id, (None, None))
        reasons = ([place] if place else []) + protections.of(each)
        keep = bool(reasons)
        why = tuple(reasons) if keep else (_why_not(each, policy),)
        decisions.append(Decision(each.backup_id, each.timestamp, keep, tier, why))
    return RetentionPlan(policy, now, tuple(decisions))


@dataclass(frozen=True)
class _Protections:
    """What keeps a set beside the calendar."""

    now: datetime
    newest: str | None
    drilled: str | None
    days_begin: datetime | None

    def of(self, each: SetRecord) -> list[str]:
        reasons = []
        if each.timestamp > self.now:
            reasons.append("timestamp lies in the future")
        if each.problem is not None:
            reasons.append(f"not counted, and left for a person: {each.problem}")
        if self.days_begin is None or each.timestamp > self.days_begin:
            reasons += [f"{less}, within the days kept" for less in _less(each)]
        if each.made_now:
            reasons.append("made by this run")
        if each.backup_id == self.newest:
            reasons.append("newest complete set")
        if each.backup_id == self.drilled:
            reasons.append("newest set that passed a drill")
        if each.hold_reason is not None:
            reasons.append(f"held: {each.hold_reason}")
        if each.copy_pending:
            reasons.append("off-site copy pending")
        return reasons


def _less(each: SetRecord) -> list[str]:
    """Why a set that is whole takes no place."""
    partial = [f"partial (without {', '.join(each.lacks)})"] if each.lacks else []
    return [*partial, *(f"in doubt ({doubt})" for doubt in each.doubts)]


def _why_not(each: SetRecord, policy: RetentionPolicy) -> str:
    less = _less(each)
    if not less:
        return f"not among {policy}"
    return f"{'; '.join(less)}, and older than the days kept"


def _calendar(
    newest_first: Sequence[SetRecord], policy: RetentionPolicy
) -> dict[str, tuple[Tier, str]]:
    """Id to tier and reason of each set that the calendar rule keeps."""
    zone = policy.zone
    days = [each.timestamp.astimezone(zone).date() for each in newest_first]
    kept: dict[str, tuple[Tier, str]] = {}
    for tier, count, period_of in (
        (Tier.DAILY, policy.daily, date.isoformat),
        (Tier.WEEKLY, policy.weekly, _iso_week),
        (Tier.MONTHLY, policy.monthly, _month),
    ):
        number = 0
        seen: set[str] = set()
        for each, day in zip(newest_first, days, strict=True):
            if number == count:
                break
            period = period_of(day)
            if period in seen:
                continue
            seen.add(period)
            if each.backup_id not in kept:
                number += 1
                kept[each.backup_id] = (tier, f"{tier} {number} of {count} ({period})")
    return kept


def _begin_of_days(
    newest_first: Sequence[SetRecord], calendar: Mapping[str, tuple[Tier, str]]
) -> datetime | None:
    """When the oldest daily set was made; the newest set where no days are kept."""
    daily = [
        each.timestamp
        for each in newest_first
        if calendar.get(each.backup_id, (None,))[0] is Tier.DAILY
    ]
    return min(daily, default=newest_first[0].timestamp if newest_first else None)


def _iso_week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def _month(day: date) -> str:
    return f"{day.year}-{day.month:02}"
