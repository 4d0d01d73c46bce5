"""The health of a real host, as a command, an answer of the API and a page for guests: with neither
Dagster nor Prometheus it works, and says what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onyx_pipelines.health.examining import examine
from onyx_pipelines.health.verdict import Area, Condition, Finding
from onyx_pipelines_tests.api.conftest import make_api
from onyx_pipelines_tests.fixtures_sandbox import DEAD_URL, HostUnderTest
from onyx_pipelines_tests.prometheus_server import PrometheusServer, prometheus

SECRET = "s3cr3t-pass"


def by_area(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["area"]: each for each in answer["areas"]}


def found(host: HostUnderTest, area: Area) -> Finding:
    return next(each for each in examine(host.settings).findings if each.area is area)


def test_a_host_without_a_backup_fails_and_says_what_to_run(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("health", "--json")

    assert answer.status == 1
    assert answer.json["condition"] == "failing"
    assert answer.json["sentence"].startswith("Backups failing: There is no backup")
    assert answer.json["action"] == "onyx backup run"


def test_every_area_is_named_also_those_that_nobody_watches_yet(
    volume_host: HostUnderTest,
) -> None:
    areas = by_area(volume_host.onyx("health", "--json").json)

    assert list(areas) == [each.value for each in Area]
    assert areas["errors"]["condition"] == areas["readiness"]["condition"] == "not_watched"
    assert areas["scraping"]["condition"] == areas["alerts"]["condition"] == "unknown"
    assert "ONYX_PROMETHEUS_URL" in areas["alerts"]["details"][0]


def test_errors_are_watched_once_a_tracker_is_set(volume_host: HostUnderTest) -> None:
    volume_host.set(ERROR_TRACKER_URL=DEAD_URL)

    errors = found(volume_host, Area.ERRORS)

    assert errors.condition is Condition.UNKNOWN
    assert errors.action == "onyx errors rate"
    assert "The last daily digest has not reached everybody." in errors.details


def test_a_backup_that_was_just_made_is_the_evidence(volume_host: HostUnderTest) -> None:
    volume_host.set(OFFSITE_URL=f"file://{volume_host.offsite_dir}")
    volume_host.run()

    backups = found(volume_host, Area.BACKUPS)

    assert backups.condition is Condition.OK, backups
    assert backups.at is not None


def test_a_store_that_is_gone_is_unknown_and_not_well(volume_host: HostUnderTest) -> None:
    volume_host.run()
    volume_host.backups.rename(volume_host.root / "unmounted")

    backups = found(volume_host, Area.BACKUPS)

    assert backups.condition is Condition.UNKNOWN
    assert backups.action == "onyx doctor"


def test_a_load_test_whose_result_cannot_be_read_is_unknown(volume_host: HostUnderTest) -> None:
    latest = volume_host.settings.reports_dir / "load-test" / "latest"
    latest.mkdir(parents=True)
    (latest / "result.json").write_text('{"of": "another version"}')

    assert found(volume_host, Area.LOAD_TESTS).condition is Condition.UNKNOWN


class TestWithoutDagster:
    def test_the_api_answers_who_has_a_token(self, volume_host: HostUnderTest) -> None:
        volume_host.set(DAGSTER_URL=DEAD_URL)
        api = make_api(volume_host)

        answer = api.client().get("/api/stack-health")

        assert answer.status_code == 200
        assert answer.json()["condition"] == "failing"
        assert api.client(None).get("/api/stack-health").status_code == 401

    def test_a_guest_sees_conditions_and_nothing_that_has_a_name(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(PROMETHEUS_URL=f"http://user:{SECRET}@127.0.0.1:9")
        backup_id = volume_host.run().backup_id
        page = make_api(volume_host).client(None).get("/health")

        assert page.status_code == 200
        assert "failing" in page.text
        assert "not watched" in page.text
        told = (SECRET, "127.0.0.1", backup_id, "local", str(volume_host.root), "onyx drill")
        assert [each for each in told if each in page.text] == []
        assert "<script" not in page.text
        assert "style-src 'unsafe-inline'" in page.headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def scraping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """One of the six answers: Prometheus itself plays it. Another is not there."""
    folder = tmp_path_factory.mktemp("prometheus")
    rules = folder / "rules.yml"
    rules.write_text(
        '{"groups": [{"name": "g", "interval": "1s", "rules": ['
        '{"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}},'
        '{"alert": "RedisDown", "expr": "up{job=\'redis\'} == 0",'
        ' "labels": {"severity": "critical"}, "annotations": {"summary": "redis is down"}}]}]}'
    )
    gone = {"static_configs": [{"targets": ["127.0.0.1:9"]}]}
    with prometheus(folder, {"redis": gone}, rules=[rules]) as server:
        server.wait_for('ALERTS{alertname="RedisDown",alertstate="firing"}')
        yield server


@pytest.mark.servers
class TestWithPrometheus:
    def test_what_is_not_scraped_and_what_fires_are_found(
        self, volume_host: HostUnderTest, scraping: PrometheusServer
    ) -> None:
        volume_host.set(PROMETHEUS_URL=scraping.url)

        coverage, alerts = (found(volume_host, each) for each in (Area.SCRAPING, Area.ALERTS))

        assert coverage.condition is Condition.FAILING
        assert any("redis at 127.0.0.1:9" in line for line in coverage.details)
        assert any("not told to scrape suna" in line for line in coverage.details)
        assert alerts.condition is Condition.FAILING
        assert alerts.summary == "1 critical alert: RedisDown."
        assert "redis is down" in alerts.details[0]
