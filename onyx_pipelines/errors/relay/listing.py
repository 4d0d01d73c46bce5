"""What a tracker lists, as signals: a known error that goes on, which no tracker's alert tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from onyx_pipelines.errors.relay.signal import Reason, Signal, Source
from onyx_pipelines.errors.trackers.tracker import Latest, Tracker

_WORST_FIRST: Final = ("fatal", "critical", "error", "warning", "info", "debug")


def listing(tracker: Callable[[], Tracker], since: datetime) -> list[Signal]:
    """Of issues with events since then; what is muted nobody wants to hear.

    Raises:
        TrackerError: it cannot be asked.
    """
    return [signal_of(each, since) for each in tracker().latest(since) if not each.is_muted]


def signal_of(issue: Latest, since: datetime) -> Signal:
    """Pure. One that was first seen since then is new."""
    return Signal(
        key="",
        source=Source.LIST,
        reason=Reason.NEW if issue.first_seen >= since else Reason.GOES_ON,
        service=issue.project,
        type=issue.type or "an error",
        message=issue.message,
        culprit=issue.place,
        level=issue.level,
        issue=issue.number,
        link=issue.url,
        count=issue.events,
        first_seen=issue.first_seen,
        at=issue.last_seen,
    )


def filled(tracker: Callable[[], Tracker], signal: Signal) -> Signal:
    """With level, release and other tags of the issue's events.

    Raises:
        TrackerError: it cannot be asked.
    """
    return with_tags(signal, tracker().tags(signal.issue)) if signal.issue else signal


def with_tags(signal: Signal, tags: Mapping[str, Sequence[str]]) -> Signal:
    """Pure. Of an issue's levels the worst counts; of a tag with several values none is told."""
    levels = tags.get("level", ())
    single = {name: values[0] for name, values in tags.items() if len(values) == 1}
    return signal.model_copy(
        update={
            "level": next((each for each in _WORST_FIRST if each in levels), signal.level),
            "release": signal.release or single.get("release", ""),
            "environment": signal.environment or single.get("environment", ""),
            "tags": {**single, **signal.tags},
        }
    )
