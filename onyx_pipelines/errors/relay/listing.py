"""What a tracker lists, as signals: a known error that goes on, which no tracker's alert tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from onyx_pipelines.errors.relay.sentry import event_signal
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source
from onyx_pipelines.errors.trackers.tracker import Latest, Tracker


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
    """With what the issue's newest event says besides: level, release, place, tags.

    Raises:
        TrackerError: it cannot be asked.
        MessageError: what it has is no event.
    """
    if not signal.issue:
        return signal
    event = tracker().newest_event(signal.issue)
    return with_event(signal, event) if event else signal


def with_event(signal: Signal, event: Mapping[str, Any]) -> Signal:
    """Pure. What the signal says itself stays, but for the place: a frame says more than a path."""
    found = event_signal(signal.key, event, signal.at)
    names = ("level", "release", "environment")
    told = {name: getattr(signal, name) or getattr(found, name) for name in names}
    return signal.model_copy(
        update={
            **told,
            "service": found.tags.get("service") or signal.service,
            "culprit": found.culprit or signal.culprit,
            "fingerprint": found.fingerprint or signal.fingerprint,
            "tags": {**found.tags, **signal.tags},
        }
    )
