"""How available each service was on a day (UTC), by Prometheus' history, and what is left of its
error budget. What nobody measured is unknown: neither up nor down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final

from pydantic import BaseModel, ConfigDict

from onyx_pipelines.core import schedules
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.coverage import SERVICES
from onyx_pipelines.monitoring.prometheus import Prometheus, Series

# As often as it is scraped; what is not told for twice as long is not known.
STEP_S: Final = 15
_KNOWN_FOR: Final = "30s"
# Is the target there, and does the service behind its exporter answer?
_SCRAPED: Final = f'min by (service) (last_over_time(up{{job!="blackbox"}}[{_KNOWN_FOR}]))'
_ANSWERS: Final = (
    f'min by (service) (last_over_time({{__name__=~"pg_up|redis_up|probe_success"}}[{_KNOWN_FOR}]))'
)
BUDGET_DAYS: Final = 30
DAY_S: Final = 86400


class State(StrEnum):
    """Of a service at a moment."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Span(BaseModel):
    """`state` from `begin_s` on, in seconds of the day, for so long."""

    model_config = ConfigDict(frozen=True)

    state: State
    begin_s: int
    length_s: int


class ServiceDay(BaseModel):
    """One service on one day. `spans`: one after the other, of the whole day until it was asked."""

    model_config = ConfigDict(frozen=True)

    service: str
    spans: tuple[Span, ...]

    def seconds(self, state: State) -> int:
        """All together."""
        return sum(each.length_s for each in self.spans if each.state is state)

    @property
    def availability(self) -> float | None:
        """Up, of the time in which it is known; None: none is."""
        known_s = self.seconds(State.UP) + self.seconds(State.DOWN)
        return self.seconds(State.UP) / known_s if known_s else None


class StackDay(BaseModel):
    """All services on one day."""

    model_config = ConfigDict(frozen=True)

    day: date
    services: tuple[ServiceDay, ...]

    @property
    def is_over(self) -> bool:
        """Whether it was asked about after its end."""
        return all(sum(span.length_s for span in each.spans) == DAY_S for each in self.services)


class Budget(BaseModel):
    """Of one service: what its objective allows to be down in so many days, and what was.

    Args:
        days: those that are known, at most so many.
        unknown_s: of these days; counts neither as down, nor as up.
    """

    model_config = ConfigDict(frozen=True)

    service: str
    days: int
    allowed_s: float
    down_s: int
    unknown_s: int

    @property
    def left(self) -> float:
        """Share of it; below 0 it is overdrawn."""
        return 1 - self.down_s / self.allowed_s

    @property
    def verdict(self) -> Verdict:
        """Not known where what nobody measured may have overdrawn it."""
        if self.down_s > self.allowed_s:
            return Verdict.FAILED
        may_be_down_s = self.down_s + self.unknown_s
        return Verdict.COULD_NOT_VERIFY if may_be_down_s > self.allowed_s else Verdict.PASSED


def service_days(
    prometheus: Prometheus,
    day: date,
    now: datetime,
    services: Iterable[str] = SERVICES,
    step_s: int = STEP_S,
) -> StackDay:
    """As Prometheus' history has it; of today until now.

    Raises:
        PrometheusError: it cannot be asked.
    """
    begin = datetime.combine(day, time(), UTC)
    end = min(begin + timedelta(days=1), now)
    steps = max(0, int((end - begin).total_seconds()) // step_s)
    # Each moment speaks of the step that ends there.
    first, last = begin + timedelta(seconds=step_s), begin + timedelta(seconds=steps * step_s)
    told = (
        [prometheus.over_time(query, first, last, step_s) for query in (_SCRAPED, _ANSWERS)]
        if steps
        else []
    )
    moments = [round(begin.timestamp()) + (at + 1) * step_s for at in range(steps)]
    return StackDay(
        day=day,
        services=tuple(_service_day(each, told, moments, step_s) for each in services),
    )


def day_verdict(day: ServiceDay, objective: float) -> Verdict:
    """Failed where it was down for longer than the objective allows; not known where it may have
    been."""
    allowed_s = (1 - objective) * sum(each.length_s for each in day.spans)
    if day.seconds(State.DOWN) > allowed_s:
        return Verdict.FAILED
    if not day.spans or day.seconds(State.DOWN) + day.seconds(State.UNKNOWN) > allowed_s:
        return Verdict.COULD_NOT_VERIFY
    return Verdict.PASSED


def budgets(days: Sequence[StackDay], last: date, objective: float) -> tuple[Budget, ...]:
    """Of the days up to `last`.

    Args:
        days: those that are known, in any order, each at most once.
        objective: the share of time in which a service has to be up.
    """
    first = last - timedelta(days=BUDGET_DAYS - 1)
    within = [each for each in days if first <= each.day <= last]
    totals = {service: Counter[State]() for each in within for service in _names(each)}
    for each in within:
        for one in each.services:
            totals[one.service].update({state: one.seconds(state) for state in State})
    return tuple(
        Budget(
            service=service,
            days=len(within),
            allowed_s=(1 - objective) * BUDGET_DAYS * DAY_S,
            down_s=found[State.DOWN],
            unknown_s=found[State.UNKNOWN],
        )
        for service, found in totals.items()
    )


def missing_days(
    known: Iterable[StackDay], now: datetime, *, most: int = schedules.HISTORY_DAYS
) -> list[date]:
    """Days that are over and that nobody asked about since, as `schedules.missing_days` counts."""
    over = {each.day for each in known if each.is_over}
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    return schedules.missing_days(over, yesterday, most=most)


def _names(day: StackDay) -> list[str]:
    return [each.service for each in day.services]


def _service_day(
    service: str, told: Sequence[Sequence[Series]], moments: Sequence[int], step_s: int
) -> ServiceDay:
    values = [_values(series, service) for series in told]
    states = [_state([each.get(at) for each in values]) for at in moments]
    spans, begin_s = [], 0
    for state, group in groupby(states):
        length_s = len(list(group)) * step_s
        spans.append(Span(state=state, begin_s=begin_s, length_s=length_s))
        begin_s += length_s
    return ServiceDay(service=service, spans=tuple(spans))


def _values(found: Sequence[Series], service: str) -> Mapping[int, float]:
    return {
        round(at): value
        for each in found
        if each.labels.get("service") == service
        for at, value in each.points
    }


def _state(answers: Sequence[float | None]) -> State:
    """Whether it is scraped must be known; what answers behind it may only make it worse."""
    scraped, *others = answers
    if scraped is None:
        return State.UNKNOWN
    known = [scraped, *(each for each in others if each is not None)]
    return State.UP if min(known) >= 1 else State.DOWN
