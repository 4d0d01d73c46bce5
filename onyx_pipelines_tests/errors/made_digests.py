"""Digests of days that never were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from onyx_pipelines.errors.digest import Delivery, Digest, window_of
from onyx_pipelines.errors.rate import ErrorRates, ServiceRate
from onyx_pipelines.errors.trackers.tracker import Issue, News, Source, Window

DAY = date(2026, 11, 27)
WINDOW = window_of(DAY)
SEEN = datetime(2026, 11, 27, 8, 14, tzinfo=UTC)


def issue(number: int, **changes: object) -> Issue:
    """A known one, of the service `onyx-core`, that one user met in three events."""
    known: dict[str, object] = {
        "id": f"ONYX-{number}",
        "title": "KeyError: 'chunk'",
        "project": "onyx",
        "url": f"https://bugsink.example.org/issues/issue/{number}/event/last/",
        "news": News.KNOWN,
        "first_seen": SEEN - timedelta(days=40),
        "last_seen": SEEN,
        "events": 3,
        "events_before": 2,
        "users": 1,
        "sources": (Source(service="onyx-core", release="onyx@1.4.2", events=3),),
    }
    return Issue.model_validate({**known, **changes})


def rates(window: Window = WINDOW, **changes: object) -> ErrorRates:
    """Suna fails too much, Onyx does not."""
    services = (
        ServiceRate(service="onyx", requests=48210, excluded=902, share=0.004, week_before=0.011),
        ServiceRate(service="suna", requests=9140, excluded=120, share=0.0712, week_before=0.0049),
    )
    made: dict[str, object] = {
        "window": window,
        "services": services,
        "objective": 0.05,
        "rule": "without 404 and 429",
    }
    return ErrorRates.model_validate({**made, **changes})


def digest(*issues: Issue, **changes: object) -> Digest:
    """Of DAY."""
    events = sum(each.events for each in issues)
    made: dict[str, object] = {
        "day": DAY,
        "window": WINDOW,
        "tracker": "Bugsink",
        "issues": issues,
        "days": (41, 52, 38, 0, 12, 60, events),
        "rates": rates(),
        "delivery": Delivery(),
    }
    return Digest.model_validate({**made, **changes})


def busy_digest() -> Digest:
    """With something of everything."""
    return digest(
        issue(
            7,
            title="TimeoutError: the model did not answer within 30 s",
            events=312,
            events_before=25,
            users=41,
            sources=(
                Source(service="onyx-core", release="onyx@1.4.2", events=300),
                Source(service="onyx-core", release="onyx@1.4.1", events=12),
            ),
        ),
        issue(
            31,
            title="TypeError: Cannot read properties of undefined (reading 'stream')",
            project="suna",
            news=News.NEW,
            events=57,
            events_before=0,
            users=12,
            sources=(Source(service="suna", release="suna@2.1.0", events=57),),
        ),
        issue(12, title="ConnectionError: Qdrant", news=News.REGRESSED, events=9, users=4),
        issue(3),
        issue(32, title="<b>OperationalError</b>: \u202edatabase is locked", news=News.NEW),
        issue(4, is_muted=True, events=80),
        delivery=Delivery(waiting=4, oldest=SEEN, lost=1),
    )
