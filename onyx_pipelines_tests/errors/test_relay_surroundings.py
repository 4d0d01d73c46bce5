"""What the relay asks on its host: what the tracker lists and knows, the spool, the error rate."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from onyx_pipelines.api.error_relay import captured_since, error_rate
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.errors.relay.listing import signal_of, with_event
from onyx_pipelines.errors.relay.signal import Reason, Source
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.errors.trackers.tracker import Latest
from onyx_pipelines.errors.what_changed import Share
from onyx_pipelines.monitoring.prometheus import Prometheus, Series
from onyx_pipelines_tests.errors.relay_signals import MINUTE, NOW, signal

LISTED = Latest(
    number="7",
    type="KeyError",
    message="'tenant'",
    place="/api/chat",
    level="",
    project="suna",
    url="http://tracker/7",
    events=12,
    first_seen=NOW - timedelta(days=2),
    last_seen=NOW,
)


def test_what_is_listed_goes_on_or_is_new() -> None:
    known = signal_of(LISTED, NOW - MINUTE)
    new = signal_of(LISTED.model_copy(update={"first_seen": NOW}), NOW - MINUTE)

    assert (known.reason, new.reason) == (Reason.GOES_ON, Reason.NEW)
    assert (known.source, known.issue, known.count, known.at) == (Source.LIST, "7", 12, NOW)


def test_the_newest_event_says_what_a_webhook_does_not() -> None:
    event = {
        "level": "fatal",
        "release": "suna@1.4.2",
        "environment": "production",
        "tags": {"service": "gateway"},
        "exception": {
            "values": [
                {
                    "stacktrace": {
                        "frames": [{"module": "suna.db", "function": "get", "in_app": True}]
                    }
                }
            ]
        },
    }

    found = with_event(signal(level="", culprit="/api/chat"), event)

    assert (found.level, found.release, found.culprit) == ("fatal", "suna@1.4.2", "suna.db in get")
    assert found.service == "gateway"
    assert (found.type, found.message) == (signal().type, signal().message)


def spooled(settings: Settings, *items: tuple[dict[str, Any], Any]) -> str:
    """An envelope as an SDK makes it."""
    event_id = uuid.uuid4().hex
    lines: list[Any] = [{"event_id": event_id}]
    for head, body in items:
        lines += [head, body]
    envelope = b"\n".join(json.dumps(each).encode() for each in lines)
    Spool.of(settings).put(event_id, envelope)
    return event_id


def test_events_that_wait_for_the_tracker_are_heard_once(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": tmp_path})
    body = {"event_id": "b" * 32, "level": "fatal", "tags": {"service": "onyx"}, "message": "boom"}
    spooled(settings, ({"type": "session"}, {}), ({"type": "event"}, body))
    spooled(settings, ({"type": "check_in"}, {"status": "ok"}))

    (found,) = captured_since(settings, NOW - timedelta(days=9999))

    assert (found.key, found.service, found.level) == ("b" * 32, "onyx", "fatal")
    assert found.source is Source.CAPTURED
    assert captured_since(settings, found.at) == []


class Counting(Prometheus):
    """Has 1,000 requests in each minute; of them 2 % fail since an incident began, 0.1 % before."""

    def instant(self, query: str, at: datetime | None = None) -> tuple[Series, ...]:
        minutes = int(query.rpartition("[")[2].partition("s]")[0]) / 60
        share = 0.02 if at == NOW else 0.001
        value = 1000 * minutes * (share if "status" in query else 1)
        return (Series({}, ((0.0, value),)),)


def test_the_error_rate_is_that_before_the_first_event_and_since() -> None:
    settings = load_settings({"prometheus_url": "http://prometheus"})

    found = error_rate(Counting(settings), settings, NOW - 4 * MINUTE, NOW)
    old = error_rate(Counting(settings), settings, NOW - timedelta(days=3), NOW)

    assert (found.since, found.since_s) == (Share(80, 4000), 240)
    assert (found.before, found.before_s) == (Share(60, 60_000), 3600)
    assert old.since_s == 600
