"""From an alert of a real Alertmanager to a triage in Slack, an acknowledgement, the all-clear and
the post-mortem; Dagster does not run."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.core.settings import IncidentsApi, Receivers
from onyx_pipelines.monitoring.alertmanager_config import alertmanager_config
from onyx_pipelines.monitoring.deployment import Pace
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.postmortem import write_postmortem
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.monitoring.alertmanager_server import alertmanager
from onyx_pipelines_tests.notify.servers import Webhook, webhook
from onyx_pipelines_tests.prometheus_server import prometheus
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.thorough]

PUBLIC = "https://api.example.org"
DOWN = {
    "alertname": "PostgresqlDown",
    "service": "postgresql",
    "severity": "critical",
    "playbook": "database-failure",
}
PACE = Pace(group_wait="0s", group_interval="1s")


def test_from_the_alert_to_the_post_mortem(volume_host: HostUnderTest, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    down = {"record": "pg_up", "expr": "vector(0)"}
    rules.write_text(json.dumps({"groups": [{"name": "planted", "rules": [down]}]}))
    with webhook() as slack, prometheus(tmp_path / "prometheus", {}, rules=[rules]) as server:
        server.wait_for("pg_up + 1")
        volume_host.set(
            PROMETHEUS_URL=server.url, SLACK_WEBHOOK_URL=slack.url, API_PUBLIC_URL=PUBLIC
        )
        with served(create_app(volume_host.settings)) as address:
            receivers = Receivers(
                slack_channel="",
                incidents=(
                    IncidentsApi(
                        url=f"http://{address}/api/incidents/alerts",
                        token_file=str(_token(volume_host, tmp_path)),
                    ),
                ),
            )
            configuration = alertmanager_config(receivers, pace=PACE)
            with alertmanager(tmp_path / "alertmanager", configuration) as running:
                running.fire(DOWN)
                wait_until(lambda: len(slack.requests) >= 1, "people are told what was found")
                fired_at = datetime.now(UTC)
                _acknowledge(slack, address)
                wait_until(lambda: len(slack.requests) >= 2, "people are told who has it")
                running.end(DOWN)
                wait_until(lambda: len(slack.requests) >= 3, "people are told that it is over")

    (incident,) = IncidentBook(volume_host.settings.state_dir).all()
    draft = write_postmortem(volume_host.settings, incident, datetime.now(UTC)).result.read_text()
    told, taken, over = (slack.json(number) for number in range(3))
    assert "The database fails" in told["text"]
    assert "Does PostgreSQL let its exporter in?" in json.dumps(told)
    assert incident.last_triage is not None
    assert fired_at - incident.opened_at < timedelta(seconds=60)
    assert "(ann has it)" in taken["text"]
    assert "(over)" in over["text"]
    assert incident.closed is not None
    assert incident.closed.by == "all-clear"
    assert re.search(r"Opened by alert PostgresqlDown.*Acknowledged by ann", draft, re.DOTALL)


def _token(host: HostUnderTest, folder: Path) -> Path:
    path = folder / "token"
    path.write_text(TokenFile(host.settings.tokens_file).create("alertmanager", Scope.ALERT))
    return path


def _acknowledge(slack: Webhook, address: str) -> None:
    """As a browser does with the link of the message."""
    found = re.search(rf"<{PUBLIC}(/incidents/[^|]+)\|I take it>", json.dumps(slack.json(0)))
    assert found is not None
    path = found[1].replace("&amp;", "&")
    answer = httpx.post(
        f"http://{address}{path}", data={"name": "ann"}, follow_redirects=True, trust_env=False
    )
    assert "ann has it" in answer.text
