"""`onyx errors`: a day's digest without Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from onyx_pipelines.errors.digest_report import read_digest
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
