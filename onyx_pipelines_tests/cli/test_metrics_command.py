"""`onyx metrics` writes what node_exporter reads, with nothing else of ours running."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onyx_pipelines_tests.cli.all_commands import call
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.waiting import wait_until


def value(file: Path, name: str) -> float | None:
    """Of a metric's only series."""
    if not file.exists():
        return None
    families = text_string_to_metric_families(file.read_text())
    return next((one.value for each in families for one in each.samples if one.name == name), None)


def test_backups_are_told_without_dagster_and_api(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    volume_host.run()
    file = tmp_path / "onyx.prom"

    answer = volume_host.onyx("metrics", "write", str(file))

    assert answer.status == 0
    assert value(file, "onyx_backup_stores_readable") == 1
    assert (value(file, "onyx_backup_last_success_timestamp_seconds") or 0) > 1.7e9
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=file.read_bytes(), check=False
    )
    assert checked.returncode == 0


def test_a_file_that_the_collector_would_not_read_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log, state = tmp_path / "app.log", tmp_path / "app.json"
    words = ("metrics", "follow", str(log), str(tmp_path / "onyx.txt"), "--state", str(state))

    answer = call(capsys, *words)

    assert answer.status == 2
    assert "Let its name end with .prom" in answer.errors
    assert "Following" not in answer.errors


def test_a_log_that_may_not_be_followed_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere" / "app.log"
    file, state = tmp_path / "onyx.prom", tmp_path / "app.json"

    answer = call(capsys, "metrics", "follow", str(nowhere), str(file), "--state", str(state))

    assert answer.status == 2
    assert f"{nowhere} cannot be followed: No such file or directory" in answer.errors
    assert f"Make {nowhere.parent}" in answer.errors
    assert "right" not in answer.errors


def test_a_log_is_followed_until_it_is_stopped(tmp_path: Path) -> None:
    log, file = tmp_path / "app.log", tmp_path / "onyx.prom"
    log.write_text(json.dumps({"event": "rag_query", "results": 1}) + "\n")
    words = ["metrics", "follow", str(log), str(file), "--state", str(tmp_path / "app.json")]
    with subprocess.Popen(
        [Path(sys.executable).with_name("onyx"), *words, "--every", "0.1"], stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: value(file, "onyx_rag_queries_total"), "one query")
        with log.open("a") as opened:
            opened.write(json.dumps({"event": "rag_query", "results": 2}) + "\n")
        wait_until(lambda: value(file, "onyx_rag_queries_total") == 2, "two queries")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert errors.decode().splitlines() == [f"Following {log}; its figures are in {file}."]
