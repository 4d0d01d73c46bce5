"""The watching in Dagster, with a real Prometheus: what it scrapes now, and what it remembers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from onyx_pipelines.core.names import Asset, Job
from onyx_pipelines.core.settings import Thresholds, load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.errors.rate import ErrorRates, change_text, error_rates
from onyx_pipelines.errors.trackers.tracker import Window
from onyx_pipelines.monitoring.coverage import SERVICES
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.monitoring.report.availability import read_days
from onyx_pipelines.monitoring.service_days import DAY_S, State
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines_tests.prometheus_server import OWN_PORT, PrometheusServer, prometheus
from onyx_pipelines_tests.requirements_of_tests import program

pytestmark = pytest.mark.servers

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
HOUR_S = 3600
CLOCK = range(0, DAY_S + 1, 15)


def sample(name: str, service: str, value: int, second: int) -> str:
    begin = datetime.combine(YESTERDAY, time(), UTC).timestamp()
    return f'{name}{{job="{service}",service="{service}"}} {value} {begin + second:.0f}'


def requests() -> list[str]:
    """Of Suna, from 0 to 6 yesterday and on the same day of the week before: in a minute 60 that
    are well, 6 that are not found, and 3, a week before 6, that fail."""
    lines = []
    for ago, failing in ((7, 6), (0, 3)):
        begin = datetime.combine(YESTERDAY - timedelta(days=ago), time(), UTC).timestamp()
        for status, per_minute in (("200", 60), ("404", 6), ("500", failing)):
            labels = f'service="suna",status="{status}"'
            lines += [
                f"onyx_http_requests_total{{{labels}}} {minute * per_minute}"
                f" {begin + 60 * minute:.0f}"
                for minute in range(361)
            ]
    return sorted(lines, key=lambda line: line.partition(" ")[0])


def history() -> str:
    """Of yesterday: onyx is down from 6 to 7 and nobody looks from 12 to 13; PostgreSQL does not
    answer its exporter for five minutes; redis is up all day; of the others there is nothing."""
    up = [
        *(
            sample("up", "onyx", int(not 6 * HOUR_S < at <= 7 * HOUR_S), at)
            for at in CLOCK
            if not 12 * HOUR_S < at <= 13 * HOUR_S
        ),
        *(sample("up", "postgresql", 1, at) for at in CLOCK),
        *(sample("up", "redis", 1, at) for at in CLOCK),
    ]
    answers = [sample("pg_up", "postgresql", int(not 0 < at <= 300), at) for at in CLOCK]
    recorded = [sample("service:request_errors:ratio_rate1h", "suna", 0.25, 6 * HOUR_S)]
    lines = [
        *("# TYPE onyx_http_requests counter", *requests()),
        *("# TYPE pg_up gauge", *answers),
        *("# TYPE service:request_errors:ratio_rate1h gauge", *recorded),
        *("# TYPE up gauge", *up),
        "# EOF",
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Plays five of the six services itself; LiteLLM is not there."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "history.txt").write_text(history())
    subprocess.run(
        [
            *(program("promtool"), "tsdb", "create-blocks-from", "openmetrics"),
            *(folder / "history.txt", folder / "data"),
        ],
        check=True,
        capture_output=True,
    )
    own = f"127.0.0.1:{OWN_PORT}"
    jobs = {
        each: {"static_configs": [{"targets": [own], "labels": {"service": each}}]}
        for each in SERVICES
    }
    jobs["litellm"] = {"static_configs": [{"targets": ["127.0.0.1:9"]}]}
    with prometheus(folder, jobs) as running:
        running.wait_for("count(up == 1) == 5")
        running.wait_for('up{job="litellm"} == bool 0')
        yield running


@pytest.fixture
def settings(server: PrometheusServer, tmp_path: Path) -> dict[str, Any]:
    return {
        "prometheus_url": server.url,
        "state_dir": str(tmp_path / "state"),
        "reports_dir": str(tmp_path / "reports"),
        "backup_dir": str(tmp_path / "backups"),
    }


def run(
    settings: Mapping[str, Any], job: str, *, only: str = "", day: date | None = None
) -> dg.ExecuteInProcessResult:
    defs = build_defs(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(only)] if only else None,
            partition_key=day.isoformat() if day else None,
            raise_on_error=False,
        )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node(asset)
    return {name: each.value for name, each in made.metadata.items()}


class TestNow:
    def test_the_configuration_is_rendered_counted_and_accepted(
        self, settings: dict[str, Any]
    ) -> None:
        for name in ("promtool", "amtool"):
            program(name)

        result = run(settings, Job.OBSERVE, only=Asset.MONITORING_CONFIGURATION)

        told = metadata(result, Asset.MONITORING_CONFIGURATION)
        assert (told["files_count"], told["dashboards_count"]) == (11, 5)
        assert told["alerts_count"] > 30
        assert len(told["sha256"]) == 64
        assert [name for name, each in checks(result).items() if not each.passed] == []

    def test_five_of_six_that_are_scraped_are_not_enough(self, settings: dict[str, Any]) -> None:
        result = run(settings, Job.OBSERVE, only=Asset.SCRAPE_COVERAGE)

        found = checks(result)
        assert metadata(result, Asset.SCRAPE_COVERAGE)["services_up"] == 5
        assert not found["six_services_are_scraped"].passed
        assert "litellm at 127.0.0.1:9" in (found["six_services_are_scraped"].description or "")
        assert found["scraped_every_15_seconds"].passed

    def test_of_too_few_scrapes_no_latency_is_said_to_hold(self, settings: dict[str, Any]) -> None:
        result = run(settings, Job.OBSERVE, only=Asset.ENDPOINT_LATENCY)

        told = metadata(result, Asset.ENDPOINT_LATENCY)
        assert told["endpoints_count"] == 5
        assert told["p95_ms/onyx"] > 0
        own = checks(result)["own_endpoints_answer_within_10_ms"]
        assert own.metadata["verdict"].value in {"could_not_verify", "failed"}

    def test_the_stack_fails_and_the_check_names_what(self, settings: dict[str, Any]) -> None:
        result = run(settings, Job.OBSERVE, only=Asset.STACK_HEALTH)

        told = metadata(result, Asset.STACK_HEALTH)
        assert told["condition"] == "failing"
        assert told["sentence"].startswith("Scraping failing: 1 of 6 services not scraped;")
        assert checks(result)["stack_is_well"].description == (
            "failing: scraping; unknown: backups, drills, load tests and alerts."
        )

    def test_without_prometheus_it_is_a_failure_that_says_why(
        self, settings: dict[str, Any]
    ) -> None:
        result = run({**settings, "prometheus_url": ""}, Job.OBSERVE, only=Asset.SCRAPE_COVERAGE)

        assert not result.success


class TestErrorRate:
    """Here, beside the others that need a Prometheus with a past."""

    @staticmethod
    def rates(settings: dict[str, Any], begin_h: int, end_h: int) -> ErrorRates:
        midnight = datetime.combine(YESTERDAY, time(), UTC)
        window = Window(
            begin=midnight + timedelta(hours=begin_h), end=midnight + timedelta(hours=end_h)
        )
        return error_rates(Prometheus(load_settings(settings)), Thresholds(), window)

    def test_what_is_excluded_does_not_count_and_is_told_beside(
        self, settings: dict[str, Any]
    ) -> None:
        found = self.rates(settings, 1, 4)

        (suna,) = found.services
        assert suna.share == pytest.approx(3 / 69, rel=0.01)
        assert suna.share_with_excluded == pytest.approx(9 / 69, rel=0.01)
        assert suna.requests == pytest.approx(3 * 60 * 69, rel=0.01)
        assert found.rule == "without 404 and 429"

    def test_it_is_held_against_the_same_hours_a_week_before(
        self, settings: dict[str, Any]
    ) -> None:
        (suna,) = self.rates(settings, 1, 4).services

        assert suna.week_before == pytest.approx(6 / 72, rel=0.01)
        assert change_text(suna) == "4.0 points less than a week before"

    def test_of_an_hour_it_is_the_recorded_one(self, settings: dict[str, Any]) -> None:
        (suna,) = self.rates(settings, 5, 6).services

        assert suna.share == 0.25
        assert suna.verdict(0.05) is Verdict.FAILED

    def test_an_hour_without_requests_proves_nothing(self, settings: dict[str, Any]) -> None:
        result = run(settings, Job.ERROR_RATE)

        found = checks(result)
        assert result.success
        assert found["error_rate_within_objective"].description == (
            "Prometheus knows of no request."
        )
        assert "ONYX_SENTRY_DSN" in (found["errors_are_delivered"].description or "")


class TestAvailability:
    def test_down_and_unknown_are_told_apart_and_neither_is_up(
        self, settings: dict[str, Any], tmp_path: Path
    ) -> None:
        result = run(settings, Job.AVAILABILITY, day=YESTERDAY)

        (day,) = read_days(tmp_path / "reports")
        services = {each.service: each for each in day.services}
        onyx = services["onyx"]
        assert onyx.seconds(State.DOWN) == pytest.approx(HOUR_S, abs=15)
        assert onyx.seconds(State.UNKNOWN) == pytest.approx(HOUR_S, abs=30)
        assert services["postgresql"].seconds(State.DOWN) == pytest.approx(300, abs=15)
        assert services["redis"].seconds(State.UP) == DAY_S
        assert services["suna"].seconds(State.UNKNOWN) == DAY_S
        assert not checks(result)["availability_within_objective"].passed
        told = metadata(result, Asset.AVAILABILITY)
        assert told["availability/onyx"] == pytest.approx(22 / 23, abs=0.001)
        assert "onyx" in Path(told["report"]).read_text(encoding="utf-8")

    def test_what_was_missed_is_asked_for_and_what_is_known_is_not(
        self, settings: dict[str, Any], tmp_path: Path
    ) -> None:
        repository = build_defs(settings).get_repository_def()
        schedule = repository.get_schedule_def("daily_availability_schedule")
        run(settings, Job.AVAILABILITY, day=YESTERDAY - timedelta(days=3))

        def wanted() -> list[str | None]:
            with dg.build_schedule_context(
                scheduled_execution_time=datetime.now(UTC),
                repository_def=repository,
                resources={"onyx": OnyxSettings(overrides=settings)},
            ) as tick:
                requests = schedule.evaluate_tick(tick).run_requests or ()
            return [each.partition_key for each in requests]

        assert wanted() == [(YESTERDAY - timedelta(days=ago)).isoformat() for ago in (2, 1, 0)]
        run(settings, Job.AVAILABILITY, day=YESTERDAY - timedelta(days=1))
        assert wanted() == [(YESTERDAY - timedelta(days=ago)).isoformat() for ago in (2, 0)]
