"""What is asked of an error tracker, whichever it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeInt

from onyx_pipelines.core.errors import OnyxError

# What is sent to see whether events arrive is no error: it is found by its title, or its logger.
PROBE_TITLE: Final = "Delivery check of onyx-pipelines"
PROBE_LOGGER: Final = "onyx.delivery"


class TrackerError(OnyxError):
    """The error tracker cannot be asked.

    Cause: none is configured, it does not answer, it does not know the token, or another server
        answers.
    Remedy: set ONYX_ERROR_TRACKER_URL and ONYX_ERROR_TRACKER_TOKEN; see whether it runs.
    Transient: no answer.
    """

    code = "error-tracker"


class Window(BaseModel):
    """From `begin` until before `end`; both on the hour, as trackers count by the hour."""

    model_config = ConfigDict(frozen=True)

    begin: AwareDatetime
    end: AwareDatetime

    @property
    def hours(self) -> int:
        return round((self.end - self.begin) / timedelta(hours=1))

    def holds(self, moment: datetime) -> bool:
        """Whether it is in it."""
        return self.begin <= moment < self.end

    def earlier(self, by: timedelta) -> Window:
        """As long, so much before."""
        return Window(begin=self.begin - by, end=self.end - by)


class News(StrEnum):
    """Regressed: it was resolved, and came back."""

    NEW = "new"
    REGRESSED = "regressed"
    KNOWN = "known"


class Source(BaseModel):
    """Where events came from. Empty: the event did not say."""

    model_config = ConfigDict(frozen=True)

    service: str
    release: str
    events: NonNegativeInt


class Issue(BaseModel):
    """Events that are one error, as they were within a window.

    Args:
        id: as the tracker's people see it.
        title: of foreign text.
        events, events_before: in the window, and in the one before it.
        users: different pseudonyms, as far as the tracker counts them.
        sources: what is known of these events' services and releases.
        is_muted: a person does not want to hear of it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    project: str
    url: str
    news: News
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    events: NonNegativeInt
    events_before: NonNegativeInt
    users: NonNegativeInt
    sources: tuple[Source, ...] = ()
    is_muted: bool = False

    @property
    def services(self) -> tuple[str, ...]:
        """The busiest first."""
        return _names((each.service, each.events) for each in self.sources)

    @property
    def releases(self) -> tuple[str, ...]:
        """The busiest first."""
        return _names((each.release, each.events) for each in self.sources)


class Latest(BaseModel):
    """An issue by its newest event, as far as a list says it.

    Args:
        number: the tracker's own, which its webhooks name.
        type, message: of the exception, foreign text.
        place: a transaction or a culprit.
        level: "" where the list does not say it.
        events: of its whole life.
    """

    model_config = ConfigDict(frozen=True)

    number: str
    type: str
    message: str
    place: str
    level: str
    project: str
    url: str
    events: NonNegativeInt
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    is_muted: bool = False


class Tracker(Protocol):
    """Raises TrackerError from every method: it cannot be asked. Probes are left out, but by
    `has_event`."""

    name: str

    def issues(self, window: Window) -> tuple[Issue, ...]:
        """Those with events in the window, the most frequent first."""
        ...

    def latest(self, since: datetime) -> tuple[Latest, ...]:
        """Issues with events since then, the newest first: one page, of what is open."""
        ...

    def newest_event(self, number: str) -> Mapping[str, Any]:
        """Of an issue by the tracker's own number, as it was sent; nothing where none is kept."""
        ...

    def hourly(self, window: Window) -> tuple[int, ...]:
        """Events of each hour."""
        ...

    def has_event(self, event_id: str) -> bool:
        """Whether the event with this id (32 hexadecimal digits) has arrived."""
        ...


def _names(counted: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    totals = Counter[str]()
    for name, events in counted:
        if name:
            totals[name] += events
    return tuple(name for name, _ in totals.most_common())
