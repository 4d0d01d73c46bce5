"""What real processes log: JSON lines with run, set and component, and no secret."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.process_log import begin_log, secret_values
from onyx_pipelines_tests.backup.job_runs import run_job
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

PLANTED = "planted-secret-value-9"


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    yield
    logging.getLogger("onyx").handlers.clear()


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_command_logs_its_run_set_and_component(volume_host: HostUnderTest) -> None:
    done = volume_host.onyx("backup", "run", "--json")

    (sealed,) = [line for line in lines_of(done.errors) if line["message"] == "component sealed"]
    assert sealed["backup_id"] == done.json["backup_id"]
    assert sealed["component"] == "volumes"
    assert len({line["run"] for line in lines_of(done.errors)}) == 1


def test_a_dagster_run_logs_json_with_its_run_id(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "job", "execute"),
            *("-m", "onyx_pipelines.definitions", "-j", "prune_backups"),
        ],
        env={**os.environ, "DAGSTER_HOME": str(home), "ONYX_PG_PASSWORD": PLANTED},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    kept = [path.read_text() for path in home.rglob("*.err")]
    ours = [line for text in [done.stderr, *kept] for line in lines_of(text)]
    assert done.returncode == 0, done.stderr[-2000:]
    assert {line["job"] for line in ours} == {"prune_backups"}
    assert all(line["run"] for line in ours)
    assert PLANTED not in done.stderr + done.stdout + "".join(kept)


def test_what_follows_a_run_in_the_same_process_does_not_bear_its_name(
    volume_host: HostUnderTest, capfd: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = run_job(instance, "prune_backups")
        logger("x").warning("between")
        second = run_job(instance, "prune_backups")
        logger("x").warning("after")

    lines = lines_of(capfd.readouterr().err)
    jobs = {line.get("run"): line.get("job") for line in lines}
    assert jobs == {first.run_id: "prune_backups", second.run_id: "prune_backups", None: None}


def test_every_secret_setting_is_taken_out(
    volume_host: HostUnderTest, capfd: pytest.CaptureFixture[str]
) -> None:
    volume_host.set(
        SLACK_WEBHOOK_URL=f"https://hooks.example/{PLANTED}",
        NOTIFY_URLS=f"ntfy://{PLANTED} mailto://u:{PLANTED}@h",
        SMTP_PASSWORD=PLANTED,
    )
    begin_log(volume_host.settings)
    for secret in secret_values(volume_host.settings):
        logger("x").warning("cannot reach %s", secret, extra={"to": [secret]})

    said = capfd.readouterr().err
    assert said.count("[secret]") >= 8
    assert PLANTED not in said
