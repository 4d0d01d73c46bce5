"""The figures of a real Prometheus that scrapes a real application, and what it scrapes of us."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.api.app import create_app
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.notify.configured import tell
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.prometheus_server import PrometheusServer, prometheus

PASSWORD = "not-the-default-one"


@pytest.fixture(scope="module")
def scraping(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusServer]:
    """Scrapes the sandbox's application, and something that is not there."""
    jobs = {
        "onyx": {"static_configs": [{"targets": [sandbox.app.url.removeprefix("http://")]}]},
        "gone": {"static_configs": [{"targets": ["127.0.0.1:9"]}]},
    }
    with prometheus(tmp_path_factory.mktemp("prometheus"), jobs) as server:
        server.wait_for("up == 1")
        yield server


@pytest.fixture
def observed(api: Api, volume_host: HostUnderTest, scraping: PrometheusServer) -> Api:
    volume_host.set(PROMETHEUS_URL=scraping.url)
    return Api(create_app(volume_host.settings), api.tokens)


class TestHealth:
    def test_it_names_what_reports_and_when_it_was_last_asked(self, observed: Api) -> None:
        found = observed.client().get("/api/metrics/health").json()

        assert found["prometheus_scraping"] is True
        assert found.keys() == {
            "prometheus_scraping", "last_scrape", "services_reporting", "metrics_count"
        }  # fmt: skip
        assert found["services_reporting"] == ["onyx"]
        assert found["metrics_count"] > 10
        age = datetime.now(UTC) - datetime.fromisoformat(found["last_scrape"])
        assert age < timedelta(seconds=10)


class TestSummary:
    def test_it_is_computed_from_the_metrics_of_the_spec(
        self, observed: Api, scraping: PrometheusServer, sandbox: Sandbox
    ) -> None:
        # A counter that appears while it is 1 has not increased.
        for _ in range(2):
            with httpx.Client(base_url=sandbox.app.url, trust_env=False, timeout=30) as client:
                client.post("/api/chat/send-message", json={"message": "x"}).raise_for_status()
                client.post("/api/rag/search", json={"query": "x"}).raise_for_status()
                client.post("/api/agent/tasks", json={"task": "x"}).raise_for_status()
            scraping.wait_for("sum(onyx_task_completion_total)")
        scraping.wait_for("sum(rate(onyx_chat_duration_seconds_count[5m]))")
        scraping.wait_for("sum(increase(onyx_task_completion_total[5m]))")

        found = observed.client().get("/api/metrics/summary").json()

        assert 0 < found["uptime_percentage"] < 100
        assert 10 < found["avg_response_time_ms"] < 5000
        assert found["error_rate_percent"] == 0
        assert found["tasks_completed_today"] >= 1
        assert found["active_users"] >= 1

    def test_of_what_nobody_reports_it_says_nothing(
        self, api: Api, volume_host: HostUnderTest, tmp_path: Path
    ) -> None:
        with prometheus(tmp_path / "empty", {}) as nothing:
            volume_host.set(PROMETHEUS_URL=nothing.url)
            client = Api(create_app(volume_host.settings), api.tokens).client()
            found = client.get("/api/metrics/summary").json()
            health = client.get("/api/metrics/health").json()

        assert set(found.values()) == {None}
        assert health["prometheus_scraping"] is False
        assert health["last_scrape"] is None


class TestOurOwnPage:
    def test_prometheus_reads_it_with_user_and_password(
        self, volume_host: HostUnderTest, tmp_path: Path
    ) -> None:
        volume_host.set(METRICS_PASSWORD=PASSWORD)
        volume_host.run()
        with served(create_app(volume_host.settings)) as address:
            job = {
                "basic_auth": {"username": "admin", "password": PASSWORD},
                "static_configs": [{"targets": [address]}],
            }
            with prometheus(tmp_path / "prometheus", {"pipelines": job}) as server:
                taken_at = server.wait_for("onyx_backup_last_success_timestamp_seconds")
                sets = server.value('onyx_backup_sets{store="local"}')

        assert abs(taken_at - time.time()) < 120
        assert sets == 1

    @pytest.mark.parametrize(
        ("credentials", "status"),
        [
            (None, 401),
            (("admin", "admin"), 401),
            (("root", PASSWORD), 401),
            (("admin", PASSWORD), 200),
        ],
    )
    def test_nobody_else_does(
        self, volume_host: HostUnderTest, credentials: tuple[str, str] | None, status: int
    ) -> None:
        volume_host.set(METRICS_PASSWORD=PASSWORD)

        answer = make_api(volume_host).client(None).get("/metrics", auth=credentials)

        assert answer.status_code == status
        assert PASSWORD not in answer.text

    def test_without_a_password_there_is_none(self, volume_host: HostUnderTest) -> None:
        answer = make_api(volume_host).client(None).get("/metrics", auth=("admin", ""))

        assert answer.status_code == 404
        assert "ONYX_METRICS_PASSWORD" in answer.json()["remedy"]

    def test_who_guesses_has_to_wait_and_who_knows_has_not(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(METRICS_PASSWORD=PASSWORD)
        client = make_api(volume_host).client(None)
        statuses = [
            client.get("/metrics", auth=("admin", str(number))).status_code for number in range(12)
        ]

        assert statuses == [401] * 10 + [429] * 2
        assert client.get("/metrics", auth=("admin", PASSWORD)).status_code == 200

    @pytest.mark.parametrize("password", ["admin", "short"])
    def test_a_password_that_is_easily_guessed_opens_nothing(
        self, volume_host: HostUnderTest, password: str
    ) -> None:
        volume_host.set(METRICS_PASSWORD=password)

        answer = make_api(volume_host).client(None).get("/metrics", auth=("admin", password))

        assert answer.status_code == 404
        assert "ONYX_METRICS_PASSWORD" in answer.json()["detail"]

    def test_undelivered_messages_are_seen(self, volume_host: HostUnderTest) -> None:
        volume_host.set(METRICS_PASSWORD=PASSWORD, SLACK_WEBHOOK_URL="http://127.0.0.1:9/secret")
        tell(volume_host.settings, Event(Outcome.FAILED, "s", "r", "nightly_backup", "why"))
        api = make_api(volume_host)

        page = api.client(None).get("/metrics", auth=("admin", PASSWORD)).text
        (channel,) = api.client().get("/api/notifications").json()["channels"]

        assert 'onyx_notifications_pending{channel="slack"} 1.0' in page
        assert channel["pending"] == 1
        assert "does not answer" in channel["last_error"]

    def test_a_store_that_is_gone_is_a_metric_and_no_error(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(
            METRICS_PASSWORD=PASSWORD,
            OFFSITE_URL="s3://bucket/prefix",
            S3_ENDPOINT_URL="http://127.0.0.1:9",
            S3_ACCESS_KEY_ID="x",
            S3_SECRET_ACCESS_KEY="y",
        )

        answer = make_api(volume_host).client(None).get("/metrics", auth=("admin", PASSWORD))

        assert answer.status_code == 200
        assert "onyx_backup_stores_readable 0.0" in answer.text
