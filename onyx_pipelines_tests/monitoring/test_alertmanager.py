"""Who is told of what, and what is kept back: judged by amtool and by a real Alertmanager."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from onyx_pipelines.core.settings import IncidentsApi, Receivers, Thresholds, Window
from onyx_pipelines.monitoring.alertmanager_config import (
    INHIBITIONS,
    Inhibition,
    alertmanager_config,
)
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Alert, Severity
from onyx_pipelines_tests.monitoring.alertmanager_server import (
    AlertmanagerServer,
    Labels,
    alertmanager,
)
from onyx_pipelines_tests.requirements_of_tests import program

ALERTS: Final = {alert.name: alert for group in groups(Thresholds()) for alert in group.alerts}
FULL: Final = Receivers(
    mail_to="people@example.org",
    mail_user="alerts",
    webhook_url="http://127.0.0.1:9/hook",
    incidents=(IncidentsApi(url="http://127.0.0.1:9/api/incidents/alerts"),),
    watchdog_url="http://127.0.0.1:9/ping",
    quiet=(Window(name="maintenance", weekday="sunday", begins="02:00", ends="04:00"),),
)


def labels_of(alert: Alert, service: str) -> Labels:
    """As Prometheus sends it."""
    return {
        "alertname": alert.name,
        "severity": alert.severity.value,
        "service": alert.service or service,
    }


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alertmanager_config(FULL)))
    return path


@pytest.mark.parametrize("receivers", [Receivers(), FULL, Receivers(slack_channel="")])
def test_amtool_accepts_it(receivers: Receivers, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alertmanager_config(receivers)))

    done = subprocess.run(
        [program("amtool"), "check-config", path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_goes_to_the_people_of_its_severity(name: str, written: Path) -> None:
    wanted = {
        Severity.CRITICAL: "critical",
        Severity.WARNING: "warnings",
        Severity.NONE: "watchdog" if name == "Watchdog" else "nobody",
    }
    labels = [f"{key}={value}" for key, value in labels_of(ALERTS[name], "onyx").items()]

    done = subprocess.run(
        [program("amtool"), "config", "routes", "test", f"--config.file={written}", *labels],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == [wanted[ALERTS[name].severity]], done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertmanagerServer]:
    folder = tmp_path_factory.mktemp("alertmanager")
    with alertmanager(folder, alertmanager_config(Receivers(slack_channel=""))) as running:
        yield running


def named(pattern: str) -> list[Alert]:
    return [alert for name, alert in ALERTS.items() if re.fullmatch(pattern, name)]


def targets_of(rule: Inhibition, source: Alert) -> list[Alert]:
    """Those of the same service, where that counts: another one has nothing to do with it."""
    return [
        each
        for each in named(rule.target)
        if each is not source
        and not (rule.equal and each.service and each.service != (source.service or "onyx"))
    ]


def test_each_inhibition_has_alerts_on_both_sides() -> None:
    for rule in INHIBITIONS:
        assert named(rule.source), rule
        assert named(rule.target), rule


def test_what_is_no_news_is_kept_back_and_its_cause_is_not(server: AlertmanagerServer) -> None:
    for rule, source in ((each, source) for each in INHIBITIONS for source in named(each.source)):
        service, targets = source.service or "onyx", targets_of(rule, source)

        kept = server.kept_back([labels_of(each, service) for each in (source, *targets)])

        assert kept == {each.name for each in targets}, rule


def test_the_same_of_another_service_is_told(server: AlertmanagerServer) -> None:
    cause = labels_of(ALERTS["ErrorRateHigh"], "onyx")

    assert server.kept_back([cause, labels_of(ALERTS["ErrorBudgetSlowBurn"], "suna")]) == set()
    assert server.kept_back([cause, labels_of(ALERTS["ErrorBudgetSlowBurn"], "onyx")]) != set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PostgresqlDown", "BackupStale"),
        ("HostMemoryHigh", "OutOfMemoryKill"),
        ("DiskFilling", "DiskFull"),
        ("BackupUntrusted", "BackupStale"),
        ("RedisDown", "QdrantDown"),
    ],
)
def test_two_things_that_go_wrong_are_both_told(
    one: str, other: str, server: AlertmanagerServer
) -> None:
    alerts = [labels_of(ALERTS[name], "onyx") for name in (one, other)]

    assert server.kept_back(alerts) == set()


@pytest.mark.parametrize(
    ("cause", "follows"),
    [
        ("BackupsUnknown", "DrillStale"),
        ("DrillFailed", "DrillStale"),
        ("BackupStale", "OffsiteCopyBehind"),
        ("BackupDamaged", "StackFailing"),
    ],
)
def test_what_is_wrong_with_one_stack_keeps_back_nothing_of_another(
    cause: str, follows: str, server: AlertmanagerServer
) -> None:
    blue = labels_of(ALERTS[cause], "") | {"stack": "blue"}
    of_blue = labels_of(ALERTS[follows], "") | {"stack": "blue"}
    of_green = labels_of(ALERTS[follows], "") | {"stack": "green"}

    assert server.kept_back([blue, of_green]) == set()
    assert server.kept_back([blue, of_blue]) == {follows}
