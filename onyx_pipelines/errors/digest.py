"""What people are told each morning of the errors of a day: what is new, what came back, what is
frequent, whom it hit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeInt

from onyx_pipelines.core import schedules
from onyx_pipelines.core.text import count_text
from onyx_pipelines.errors.rate import ErrorRates
from onyx_pipelines.errors.trackers.tracker import Issue, News, Window

# When it is sent, UTC; each day's window ends then.
AT: Final = time(9, tzinfo=UTC)
TREND_DAYS: Final = 7
# Trackers keep what they counted for 90 days; nobody reads a digest of a month ago.
MOST_FREQUENT: Final = 10
# Of what is new; a release that breaks everything is not read line by line.
MOST_NEWS: Final = 50


class Delivery(BaseModel):
    """Of events to the tracker, when the digest was made. `lost`: never delivered, since ever."""

    model_config = ConfigDict(frozen=True)

    waiting: NonNegativeInt = 0
    oldest: AwareDatetime | None = None
    lost: NonNegativeInt = 0


class Digest(BaseModel):
    """Of the day whose window ends on `day` at 09:00 UTC.

    Args:
        tracker: what it is called.
        issues: all with events in the window, the most frequent first; muted ones too.
        days: events of each of the last days, this one last.
        rates: None: Prometheus could not be asked, and `rates_problem` says why.
    """

    model_config = ConfigDict(frozen=True)

    day: date
    window: Window
    tracker: str
    issues: tuple[Issue, ...]
    days: tuple[NonNegativeInt, ...]
    rates: ErrorRates | None
    rates_problem: str = ""
    delivery: Delivery = Delivery()

    @property
    def heard(self) -> tuple[Issue, ...]:
        """Issues that nobody has muted."""
        return tuple(each for each in self.issues if not each.is_muted)

    @property
    def new(self) -> tuple[Issue, ...]:
        """First seen within the window."""
        return _with(self.heard, News.NEW)

    @property
    def regressed(self) -> tuple[Issue, ...]:
        """Resolved, and back within the window."""
        return _with(self.heard, News.REGRESSED)

    @property
    def frequent(self) -> tuple[Issue, ...]:
        """With the most events."""
        return self.heard[:MOST_FREQUENT]

    @property
    def events(self) -> int:
        """Of all issues."""
        return sum(each.events for each in self.issues)

    @property
    def events_before(self) -> int:
        """Of the day before."""
        return self.days[-2] if len(self.days) > 1 else 0

    @property
    def muted_events(self) -> int:
        """Of issues that somebody has muted."""
        return sum(each.events for each in self.issues if each.is_muted)

    @property
    def by_source(self) -> tuple[tuple[str, str, int], ...]:
        """Service, release and events, the busiest first."""
        return by_source(self.issues)

    @property
    def is_quiet(self) -> bool:
        """Nothing happened."""
        return not self.issues

    @property
    def subject(self) -> str:
        """One line."""
        if self.is_quiet:
            return f"Errors until {self.day}: none"
        news = [
            f"{len(issues)} {word}"
            for issues, word in ((self.new, "new"), (self.regressed, "back"))
            if issues
        ]
        said = ", ".join([*news, count_text(self.events, "event")])
        return f"Errors until {self.day}: {said}"


def window_of(day: date) -> Window:
    """From 09:00 UTC of the day before until before 09:00 UTC."""
    end = datetime.combine(day, AT)
    return Window(begin=end - timedelta(days=1), end=end)


def newest_day(now: datetime) -> date:
    """The last one whose window is over."""
    today = now.astimezone(UTC).date()
    return today if now >= window_of(today).end else today - timedelta(days=1)


def missing_days(known: Iterable[date], now: datetime) -> list[date]:
    """Days without a digest whose window is over, as `schedules.missing_days` counts them."""
    return schedules.missing_days(set(known), newest_day(now))


def by_source(issues: Sequence[Issue]) -> tuple[tuple[str, str, int], ...]:
    """Service, release and events, the busiest first; what did not say is "" at the end."""
    found: dict[tuple[str, str], int] = {}
    for each in issues:
        for source in each.sources:
            pair = (source.service, source.release)
            found[pair] = found.get(pair, 0) + source.events
    counted = ((service, release, events) for (service, release), events in found.items())
    return tuple(sorted(counted, key=lambda each: (not each[0], -each[2], each)))


def _with(issues: Sequence[Issue], news: News) -> tuple[Issue, ...]:
    return tuple(each for each in issues if each.news is news)
