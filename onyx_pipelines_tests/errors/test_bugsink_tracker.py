"""What a real Bugsink is asked, and what it answers."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.errors.round_trip import round_trip
from onyx_pipelines.errors.trackers.bugsink import Bugsink
from onyx_pipelines.errors.trackers.configured import tracker_of
from onyx_pipelines.errors.trackers.tracker import News, TrackerError, Window
from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines_tests.fixtures_bugsink import act, ask, new_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

THIS_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
# Of now, whatever the hour is: the suite may run across one.
NOW = Window(begin=THIS_HOUR - timedelta(hours=21), end=THIS_HOUR + timedelta(hours=3))


class Project:
    """One of a test's own."""

    def __init__(self, bugsink: BugsinkServer) -> None:
        self.name = f"project-{uuid.uuid4().hex[:8]}"
        self.dsn = new_project(bugsink, self.name)
        self.tracker = Bugsink(bugsink.url, SecretStr(bugsink.access.token), [self.name])

    def send(self, message: str, **event: object) -> str:
        """Gives its id."""
        event_id = uuid.uuid4().hex
        server, _, number = self.dsn.rpartition("/")
        scheme, _, place = server.partition("://")
        key, _, host = place.partition("@")
        body = {"event_id": event_id, "platform": "python", "message": message, **event}
        answer = httpx.post(
            f"{scheme}://{host}/api/{number}/store/",
            content=json.dumps(body),
            headers={"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={key}"},
            trust_env=False,
            timeout=30,
        )
        answer.raise_for_status()
        return event_id


def of(service: str, release: str, user: str = "") -> Mapping[str, object]:
    return {
        "release": release,
        "tags": {"service": service},
        **({"user": {"id": user}} if user else {}),
    }


@pytest.fixture(scope="module")
def project(bugsink: BugsinkServer) -> Project:
    """An issue of two services and releases, which two users met, and one that came back."""
    made = Project(bugsink)
    for release, user in (("1.0", "a"), ("1.0", "b"), ("1.1", "a")):
        made.send("frequent", **of("suna", release, user))
    made.send("frequent", **of("onyx", "1.1"))
    made.send("once", **of("onyx", "1.1"))
    return made


def test_issues_of_the_window_have_their_counts_the_most_frequent_first(project: Project) -> None:
    first, second = project.tracker.issues(NOW)

    assert (first.title, first.events, first.events_before, first.users) == (
        "Log Message: frequent", 4, 0, 2,
    )  # fmt: skip
    assert (second.title, second.events, second.users) == ("Log Message: once", 1, 0)
    assert {first.news, second.news} == {News.NEW}


def test_events_are_counted_by_service_and_release(project: Project) -> None:
    frequent, once = project.tracker.issues(NOW)

    assert {(e.service, e.release): e.events for e in frequent.sources} == {
        ("suna", "1.0"): 2,
        ("suna", "1.1"): 1,
        ("onyx", "1.1"): 1,
    }
    assert [(e.service, e.release, e.events) for e in once.sources] == [("onyx", "1.1", 1)]


def test_an_issue_leads_to_its_page(project: Project) -> None:
    answer = httpx.get(project.tracker.issues(NOW)[0].url, trust_env=False, follow_redirects=False)

    assert answer.status_code in (200, 302)


def test_a_window_before_has_nothing(project: Project) -> None:
    assert project.tracker.issues(NOW.earlier(timedelta(days=1))) == ()


def test_each_hour_has_its_events_and_those_to_come_none(project: Project) -> None:
    hours = project.tracker.hourly(NOW)

    assert (len(hours), sum(hours), hours[-1]) == (24, 5, 0)


def test_an_issue_that_was_resolved_and_came_back_is_said(bugsink: BugsinkServer) -> None:
    project = Project(bugsink)
    project.send("again")
    (issue,) = ask(bugsink, "issues/", project=project.dsn.rpartition("/")[2])["results"]
    first_seen_a_week_ago(bugsink, issue["id"])
    assert project.tracker.issues(NOW)[0].news is News.KNOWN

    act(bugsink, f"issues/{issue['id']}/resolve/")
    project.send("again")

    assert project.tracker.issues(NOW)[0].news is News.REGRESSED


def first_seen_a_week_ago(bugsink: BugsinkServer, issue: str) -> None:
    with closing(sqlite3.connect(bugsink.state_dir / "bugsink.sqlite3", timeout=30)) as database:
        database.execute(
            "UPDATE issues_issue SET first_seen = datetime('now', '-7 days') WHERE id = ?",
            (uuid.UUID(issue).hex,),
        )
        database.commit()


def test_a_muted_issue_is_told_as_muted(bugsink: BugsinkServer) -> None:
    project = Project(bugsink)
    project.send("noise")
    (issue,) = ask(bugsink, "issues/", project=project.dsn.rpartition("/")[2])["results"]

    act(bugsink, f"issues/{issue['id']}/mute/")

    assert [each.is_muted for each in project.tracker.issues(NOW)] == [True]


def test_an_event_that_arrived_is_found_by_its_id(bugsink: BugsinkServer) -> None:
    project = Project(bugsink)
    event_id = project.send("found", **of("onyx", "1.1"))

    assert project.tracker.has_event(event_id)
    assert not project.tracker.has_event(uuid.uuid4().hex)


def test_an_event_goes_round_and_is_counted_nowhere(bugsink: BugsinkServer, tmp_path: Path) -> None:
    project = Project(bugsink)
    settings = load_settings(
        {
            "state_dir": tmp_path,
            "sentry_dsn": project.dsn,
            "error_tracker_url": bugsink.url,
            "error_tracker_token": bugsink.access.token,
            "error_tracker_projects": (project.name,),
        }
    )

    assert round_trip(settings) == (Verdict.PASSED, "An event that was sent is in Bugsink.")
    assert tracker_of(settings).issues(NOW) == ()
    assert sum(tracker_of(settings).hourly(NOW)) == 0


def test_a_token_that_it_does_not_know_is_said(bugsink: BugsinkServer) -> None:
    with pytest.raises(TrackerError) as caught:
        Bugsink(bugsink.url, SecretStr("0" * 40)).issues(NOW)

    assert "ONYX_ERROR_TRACKER_TOKEN" in caught.value.remedy
    assert not caught.value.transient
