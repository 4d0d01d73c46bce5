"""What Sentry is asked and how its answers are read, by its public documentation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from onyx_pipelines.errors.trackers.sentry import Sentry
from onyx_pipelines.errors.trackers.tracker import News, TrackerError
from onyx_pipelines_tests.errors.made_digests import WINDOW
from onyx_pipelines_tests.errors.recorded_sentry import (
    EVENT_ID,
    RecordedSentry,
    issue,
    recorded_sentry,
)

COUNTED = [
    {"issue.id": 1, "service": "suna", "release": "2.1.0", "count()": 12},
    {"issue.id": 1, "service": None, "release": None, "count()": 3},
]


@pytest.fixture
def recorded() -> Iterator[RecordedSentry]:
    with recorded_sentry() as sentry:
        sentry.answers = {
            "issues/": [[issue(1)]],
            "events/": [{"data": COUNTED, "meta": {}}],
            f"eventids/{EVENT_ID}/": [{"eventId": EVENT_ID}],
        }
        yield sentry


@pytest.fixture
def tracker(recorded: RecordedSentry) -> Sentry:
    return Sentry(recorded.url, "the-organization", SecretStr("sntrys_x"))


def test_an_issue_has_its_counts_users_sources_and_address(tracker: Sentry) -> None:
    (found,) = tracker.issues(WINDOW)

    assert (found.id, found.project, found.events, found.users) == (
        "PUMP-STATION-1", "pump-station", 15, 4,
    )  # fmt: skip
    assert found.url == "https://sentry.io/organizations/the-organization/issues/1/"
    assert [(e.service, e.release, e.events) for e in found.sources] == [
        ("suna", "2.1.0", 12),
        ("", "", 3),
    ]


def test_it_is_asked_for_exactly_the_window_and_the_one_before(
    tracker: Sentry, recorded: RecordedSentry
) -> None:
    tracker.issues(WINDOW)

    spans = [(q["start"], q["end"]) for path, q in recorded.asked if path == "issues/"]
    assert spans == [
        (["2026-11-25T09:00:00"], ["2026-11-26T09:00:00"]),
        (["2026-11-26T09:00:00"], ["2026-11-27T09:00:00"]),
    ]
    assert recorded.tokens == {"Bearer sntrys_x"}


def test_every_page_is_read(tracker: Sentry, recorded: RecordedSentry) -> None:
    recorded.answers["issues/"] = [[issue(1)], [issue(2, count="99")]]

    assert [each.events for each in tracker.issues(WINDOW)] == [99, 15]


def test_of_an_issue_within_a_span_its_whole_life_says_when_it_began(
    tracker: Sentry, recorded: RecordedSentry
) -> None:
    seen = "2026-11-27T01:00:00Z"
    life = {"firstSeen": "2026-01-01T00:00:00Z"}
    recorded.answers["issues/"] = [
        [issue(1, firstSeen=seen), issue(2, firstSeen=seen, lifetime=life)]
    ]

    found = {each.id: each.news for each in tracker.issues(WINDOW)}

    assert found == {"PUMP-STATION-1": News.NEW, "PUMP-STATION-2": News.KNOWN}


@pytest.mark.parametrize(
    ("came_back", "news"),
    [("2026-11-27T03:00:00Z", News.REGRESSED), ("2026-11-20T03:00:00Z", News.KNOWN)],
)
def test_it_came_back_only_where_its_history_says_so_of_the_window(
    tracker: Sentry, recorded: RecordedSentry, came_back: str, news: News
) -> None:
    recorded.answers["issues/"] = [[issue(1, substatus="regressed")]]
    recorded.answers["issues/1/"] = [
        {"activity": [{"type": "set_regression", "dateCreated": came_back, "data": {}}]}
    ]

    assert tracker.issues(WINDOW)[0].news is news


def test_issues_of_other_projects_are_left_out(recorded: RecordedSentry) -> None:
    other = Sentry(recorded.url, "the-organization", SecretStr("x"), ["billing"])

    assert other.issues(WINDOW) == ()


def test_each_hour_has_its_events(tracker: Sentry, recorded: RecordedSentry) -> None:
    rows = [{"timestamp.to_hour": "2026-11-26T10:00:00+00:00", "count()": 7}]
    recorded.answers["events/"] = [{"data": rows, "meta": {}}]

    assert tracker.hourly(WINDOW) == (0, 7, *(0,) * 22)


def test_an_event_is_found_by_its_id(tracker: Sentry) -> None:
    assert tracker.has_event(EVENT_ID)
    assert not tracker.has_event("0" * 32)


@pytest.mark.parametrize("answer", [{"detail": "x"}, [{"id": 1}], "text", None])
def test_another_server_is_one_clear_error(
    tracker: Sentry, recorded: RecordedSentry, answer: object
) -> None:
    recorded.answers["issues/"] = [answer]

    with pytest.raises(TrackerError, match="Sentry answers in another form"):
        tracker.issues(WINDOW)


def test_its_newest_issues_are_those_since_a_moment_of_the_wanted_projects(
    tracker: Sentry, recorded: RecordedSentry
) -> None:
    older = issue(2, lastSeen="2026-11-27T07:00:00.000000Z")
    recorded.answers["issues/"] = [[issue(1, level="fatal"), older]]

    (found,) = tracker.latest(datetime(2026, 11, 27, 8, tzinfo=UTC))

    assert (found.number, found.level, found.events) == ("1", "fatal", 15)
    assert (found.type, found.place) == ("TimeoutError: no answer", "pump_station.tasks.run")
    assert recorded.asked[-1][1]["query"] == ["is:unresolved !logger:onyx.delivery"]


def test_the_newest_event_of_an_issue_is_found_by_its_number(
    tracker: Sentry, recorded: RecordedSentry
) -> None:
    recorded.answers["issues/1/events/latest/"] = [{"eventID": EVENT_ID, "level": "fatal"}]

    assert tracker.newest_event("1")["level"] == "fatal"
