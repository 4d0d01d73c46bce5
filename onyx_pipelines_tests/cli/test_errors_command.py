"""`onyx errors`: a day's digest without Dagster, and what waits for the tracker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from onyx_pipelines.errors.digest_report import read_digest
from onyx_pipelines.errors.envelope import envelope_of
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines_tests.errors.fake_tracker import Answer, FakeTracker
from onyx_pipelines_tests.errors.recorded_sentry import RecordedSentry, issue, recorded_sentry
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

DAY = "2026-11-26"


@pytest.fixture
def sentry() -> Iterator[RecordedSentry]:
    with recorded_sentry() as recorded:
        recorded.answers = {"issues/": [[issue(1)]], "events/": [{"data": [], "meta": {}}]}
        yield recorded


@pytest.fixture
def host(volume_host: HostUnderTest, sentry: RecordedSentry) -> HostUnderTest:
    volume_host.set(
        ERROR_TRACKER="sentry",
        ERROR_TRACKER_URL=sentry.url,
        ERROR_TRACKER_TOKEN="sntrys_planted",
        ERROR_TRACKER_ORGANIZATION="the-organization",
    )
    return volume_host


def test_a_dry_run_shows_the_digest_and_writes_nothing(host: HostUnderTest) -> None:
    answer = host.onyx("errors", "digest", "--date", DAY, "--dry-run")

    assert answer.status == 0
    assert "PUMP-STATION-1, pump-station: 15 events" in answer.output
    assert read_digest(host.settings.reports_dir, date.fromisoformat(DAY)) is None


def test_a_digest_is_written_and_says_who_has_it(host: HostUnderTest) -> None:
    told = host.onyx("errors", "digest", "--date", DAY, "--json").json

    assert (told["day"], told["sent"]) == (DAY, [])
    assert read_digest(host.settings.reports_dir, date.fromisoformat(DAY)) is not None


@pytest.mark.parametrize("text", ["nonsense", "2026-13-45", "2026-11-26T09:00", ""])
def test_what_is_no_day_is_one_clear_error(host: HostUnderTest, text: str) -> None:
    answer = host.onyx("errors", "digest", "--date", text)

    assert answer.status == 2
    assert "is no day. Write it as 2026-11-27." in answer.errors
    assert answer.errors.count("error:") == 1


def test_a_day_that_is_not_over_has_no_digest_yet(host: HostUnderTest) -> None:
    answer = host.onyx("errors", "digest", "--date", "2999-01-01", "--dry-run")

    assert answer.status == 2
    assert "not due yet" in answer.errors


def test_without_a_tracker_it_says_what_to_set(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("errors", "digest")

    assert answer.status == 2
    assert "ONYX_ERROR_TRACKER_URL" in answer.errors


def test_the_token_is_in_no_output(host: HostUnderTest, sentry: RecordedSentry) -> None:
    sentry.answers = {}

    answer = host.onyx("errors", "digest", "--date", DAY)

    assert answer.status == 2
    assert "sntrys_planted" not in answer.everything


def test_without_prometheus_the_rate_is_not_known(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("errors", "rate")

    assert answer.status == 2
    assert "ONYX_PROMETHEUS_URL" in answer.errors


@pytest.fixture
def spooling(volume_host: HostUnderTest) -> Iterator[tuple[HostUnderTest, FakeTracker]]:
    """Three events wait for a tracker, which answers again."""
    with FakeTracker() as tracker:
        volume_host.set(SENTRY_DSN=tracker.dsn)
        spool = Spool.of(volume_host.settings)
        for number in range(3):
            event_id = f"{number:032x}"
            spool.put(event_id, envelope_of({"event_id": event_id}, "event"))
        yield volume_host, tracker


def test_what_waits_is_delivered_when_it_is_asked_for(
    spooling: tuple[HostUnderTest, FakeTracker],
) -> None:
    host, tracker = spooling

    answer = host.onyx("errors", "deliver")

    assert answer.status == 0
    assert f"3 events delivered to 127.0.0.1:{tracker.port}; 0 waiting." in answer.output
    assert tracker.ids == [f"{number:032x}" for number in range(3)]


def test_a_dry_run_of_the_delivery_says_what_waits_and_sends_nothing(
    spooling: tuple[HostUnderTest, FakeTracker],
) -> None:
    host, tracker = spooling

    answer = host.onyx("errors", "deliver", "--dry-run")

    assert answer.status == 0
    assert "3 events" in answer.output
    assert tracker.envelopes == []


def test_what_the_tracker_does_not_take_is_said_with_why(
    spooling: tuple[HostUnderTest, FakeTracker],
) -> None:
    host, tracker = spooling
    tracker.answer = lambda _: Answer(503)

    told = host.onyx("errors", "deliver", "--json")

    assert told.status == 1
    assert (told.json["delivered"], told.json["waiting"]) == (0, 3)
    assert told.json["why"] == "it does not take events"


def test_without_a_dsn_nothing_is_delivered_anywhere(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("errors", "deliver")

    assert answer.status == 2
    assert "ONYX_SENTRY_DSN" in answer.errors
