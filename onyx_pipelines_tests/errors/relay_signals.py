"""What a relay hears in tests, and a channel that remembers what it was told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from onyx_pipelines.errors.relay.signal import Reason, Signal, Source
from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.pacing import FOR_PEOPLE, Pace

NOW = datetime(2026, 11, 27, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def signal(key: str = "1", **changes: Any) -> Signal:
    """A new error of the service suna."""
    values = {
        "key": key,
        "source": Source.BUGSINK,
        "reason": Reason.NEW,
        "service": "suna",
        "type": "OperationalError",
        "message": "connection to server at 10.0.0.5 failed after 30 s",
        "culprit": "suna.db in connect",
        "level": "error",
        "issue": "i-1",
        "link": "http://tracker/issues/i-1",
        "count": 1,
        "first_seen": NOW,
        "at": NOW,
    }
    return Signal(**{**values, **changes})


def fatal(key: str = "1", **changes: Any) -> Signal:
    """One that everybody must know of."""
    return signal(key, **{"level": "fatal", **changes})


def bugsink_body(**changes: Any) -> bytes:
    """As Bugsink's "Custom" destination sends it."""
    values = {
        "id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
        "friendly_id": "SUNA-1",
        "project": 1,
        "digest_order": 1,
        "first_seen": NOW.isoformat(),
        "last_seen": NOW.isoformat(),
        "digested_event_count": 1,
        "stored_event_count": 1,
        "calculated_type": "OperationalError",
        "calculated_value": "no route to host",
        "transaction": "/api/chat",
        "is_resolved": False,
        "is_muted": False,
        "title": "OperationalError: no route to host",
        "project_name": "suna",
        "url": "http://127.0.0.1:8000/issues/issue/497f6eca/",
        "alert_reason": "NEW",
    }
    return json.dumps({**values, **changes}).encode()


class Recorder:
    """A channel: takes everything, unless `fails` says otherwise."""

    name = "recorder"
    pace: Pace | None = FOR_PEOPLE

    def __init__(self) -> None:
        self.sent: list[Event] = []
        self.fails: list[DeliveryError | BaseException] = []

    def wants(self, _: Event) -> bool:
        return True

    def send(self, events: Sequence[Event]) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(events[-1])

    @property
    def subjects(self) -> list[str]:
        return [each.subject for each in self.sent]
