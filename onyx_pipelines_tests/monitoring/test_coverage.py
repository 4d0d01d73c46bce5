"""Which of the six services are scraped as specified (AC9.1.1), and why others are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onyx_pipelines.monitoring.coverage import SERVICES, Scraping, coverage, told_error
from onyx_pipelines.monitoring.prometheus import Target

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ONYX = Target(
    job="onyx",
    service="onyx",
    instance="onyx-core:8080",
    is_up=True,
    error="",
    scraped_at=NOW - timedelta(seconds=4),
    took_s=0.01,
    interval_s=15.0,
)


def scraping(*targets: Target) -> Scraping:
    return coverage(targets, NOW, ["onyx"])[0]


def test_the_six_of_the_specification_are_asked_for() -> None:
    assert SERVICES == ("suna", "onyx", "qdrant", "postgresql", "redis", "litellm")


def test_a_service_that_answers_in_time_has_no_problem() -> None:
    assert scraping(ONYX) == Scraping("onyx", is_up=True, interval_s=15.0, age_s=4.0)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"is_up": False, "error": "connection refused"}, "onyx-core:8080: connection refused"),
        ({"is_up": False, "scraped_at": None}, "not scraped yet"),
        ({"scraped_at": NOW - timedelta(seconds=46)}, "last scraped 46.0 s ago"),
        ({"interval_s": 60.0}, "every 60 s; 15 s are specified"),
    ],
)
def test_what_is_missing_is_said_with_its_reason(changes: dict[str, object], problem: str) -> None:
    assert problem in scraping(replace(ONYX, **changes)).problem  # type: ignore[arg-type]  # one of each


def test_more_often_than_specified_is_well() -> None:
    assert scraping(replace(ONYX, interval_s=5.0)).problem == ""


def test_a_service_that_prometheus_does_not_know_is_missing() -> None:
    assert scraping().problem == "Prometheus is not told to scrape onyx."


def test_all_replicas_of_a_service_must_answer() -> None:
    second = replace(ONYX, instance="onyx-core-2:8080", is_up=False, error="EOF")

    assert not scraping(ONYX, second).is_up


def test_a_probe_of_a_service_is_no_scrape_of_it() -> None:
    assert scraping(replace(ONYX, job="blackbox")).problem.startswith("Prometheus is not told")


def test_the_same_reason_is_told_in_the_same_words() -> None:
    said = 'Get "http://onyx:8080/metrics": read tcp 10.0.0.2:%d->10.0.0.3:8080: reset by peer'

    assert told_error(said % 40001) == told_error(said % 40002)


@pytest.mark.parametrize(
    "text",
    [
        'Get "http://admin:s3cr3t-pass@onyx:8080/metrics": dial tcp: connection refused',
        'Get "http://onyx:8080/metrics?key=s3cr3t-pass": EOF',
        'Get "http://s3cr3t-pass@onyx:8080/metrics": EOF',
        "server returned HTTP status 401: Bearer s3cr3t-pass",
    ],
)
def test_no_secret_of_an_address_is_repeated(text: str) -> None:
    said = told_error(text)

    assert "s3cr3t" not in said
    assert "onyx:8080" in said or "401" in said
