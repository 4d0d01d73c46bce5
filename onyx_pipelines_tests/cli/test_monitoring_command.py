"""`onyx monitoring render` writes what other programs read, by the settings of this host."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines_tests.cli.all_commands import call
from onyx_pipelines_tests.requirements_of_tests import program

DEPLOYED = Path(__file__).parents[2] / "deploy" / "monitoring"


def test_without_a_setting_it_writes_what_is_committed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer = call(capsys, "monitoring", "render", "--to", str(tmp_path), "--json")

    files = json.loads(answer.output)["files"]
    assert len(files) == 11
    assert all((tmp_path / path).read_text() == (DEPLOYED / path).read_text() for path in files)


def test_thresholds_receivers_and_addresses_are_settings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "onyx.yaml"
    config.write_text(
        "alert_thresholds: {backup_age: P2D, connections: 0.7}\n"
        "alert_receivers:\n  slack_channel: '#ops'\n  mail_to: oncall@example.org\n"
    )
    monkeypatch.setenv("ONYX_CONFIG", str(config))
    monkeypatch.setenv("ONYX_DOCS_URL", "https://docs.example.org/onyx/")

    call(capsys, "monitoring", "render", "--to", str(tmp_path))

    rules = (tmp_path / "prometheus" / "rules.yml").read_text()
    alertmanager = tmp_path / "alertmanager" / "alertmanager.yml"
    critical = yaml.safe_load(alertmanager.read_text())["receivers"][0]
    assert "onyx_backup_last_success_timestamp_seconds > 172800" in rules
    assert "> 0.7" in rules
    assert "https://docs.example.org/onyx/INCIDENTS.html#" in rules
    assert "localhost:3001/docs" not in rules
    assert critical["slack_configs"][0]["channel"] == "#ops"
    assert critical["email_configs"][0]["to"] == "oncall@example.org"
    subprocess.run([program("amtool"), "check-config", alertmanager], check=True)


def test_a_second_time_it_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    call(capsys, "monitoring", "render", "--to", str(tmp_path))

    answer = call(capsys, "monitoring", "render", "--to", str(tmp_path), "--json")

    assert json.loads(answer.output)["changed"] == []


def test_the_environment_gives_thresholds_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_ALERT_THRESHOLDS", '{"verified_age": "P35D", "error_share": 0.01}')

    found = load_settings().alert_thresholds

    assert (found.verified_age, found.error_share) == (timedelta(days=35), 0.01)


@pytest.mark.parametrize("value", ["not json", '{"no_such": 1}', '{"error_share": 7}'])
def test_a_threshold_that_is_none_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_ALERT_THRESHOLDS", value)

    with pytest.raises(SettingsError, match="ONYX_ALERT_THRESHOLDS"):
        load_settings()


def test_a_directory_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")

    answer = call(capsys, "monitoring", "render", "--to", str(tmp_path / "taken"))

    assert answer.status == 2
    assert "name another directory" in answer.errors
