"""`dagster dev` as any user of Dagster tries it: a fresh clone, no variable set."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from dagster import DagsterInstance
from dagster_postgres import PostgresRunStorage

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.orchestration.instance_storage import InstanceStorage
from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines.sandbox.stack import Sandbox

ROOT = Path(__file__).parents[2]
PATIENCE_S = 100
QUERY = """{
  workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { ... on PythonError { message } } } } }
  sensorsOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "onyx_pipelines" }) {
    ... on Sensors { results { name sensorState {
      ticks(limit: 1) { status skipReason error { message } } } } } }
}"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def address(clone: Path) -> Iterator[str]:
    """Of `dagster dev` with an empty environment."""
    port = free_port()
    bin_dir = Path(sys.executable).parent
    with (
        (clone / "log").open("wb") as log,
        subprocess.Popen(
            [str(bin_dir / "dagster"), "dev", "-h", "127.0.0.1", "-p", str(port)],
            cwd=clone,
            env={"PATH": f"{bin_dir}:/usr/bin:/bin", "HOME": str(clone)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def asked(address: str) -> dict[str, Any]:
    with suppress(httpx.HTTPError, KeyError, ValueError, TypeError):
        answer = httpx.post(f"{address}/graphql", json={"query": QUERY}, timeout=30)
        data: dict[str, Any] = answer.json()["data"]
        return data
    return {}


def last_ticks(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    sensors = state.get("sensorsOrError", {}).get("results", [])
    return {
        each["name"]: tick
        for each in sensors
        for tick in each["sensorState"]["ticks"]
        if tick["status"] != "STARTED"
    }


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_it_loads_and_every_sensor_skips_with_a_reason(address: str, clone: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    state: dict[str, Any] = {}
    while time.monotonic() < deadline:
        state = asked(address)
        known = state.get("sensorsOrError", {}).get("results", [])
        if known and len(last_ticks(state)) == len(known):
            break
        time.sleep(1)

    log = (clone / "log").read_text(encoding="utf-8")
    assert state, log
    [location] = state["workspaceOrError"]["locationEntries"]
    assert (location["name"], location["loadStatus"]) == ("onyx_pipelines", "LOADED")
    assert location["locationOrLoadError"] == {}
    ticks = last_ticks(state)
    assert len(ticks) >= 6, log
    assert {name: tick["status"] for name, tick in ticks.items()} == dict.fromkeys(ticks, "SKIPPED")
    assert all(tick["skipReason"] for tick in ticks.values())
    assert "Traceback" not in log


def test_a_database_that_is_half_configured_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_PG_HOST", "127.0.0.1")

    with pytest.raises(SettingsError, match="DAGSTER_PG_PASSWORD") as raised:
        InstanceStorage.from_config_value(None, {})

    assert "DAGSTER_PG_HOST" not in raised.value.what


def test_sqlite_lies_in_the_home_of_the_instance(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(clone))

    with DagsterInstance.get() as instance:
        assert instance.get_runs() == []

    assert (clone / "history" / "runs.db").exists()


def test_postgresql_holds_it_where_the_environment_says_so(
    sandbox: Sandbox, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environment().items():
        if name.startswith("DAGSTER_PG_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(clone))

    with DagsterInstance.get() as instance:
        assert isinstance(instance.run_storage, PostgresRunStorage)
        assert instance.get_runs(limit=1) == []
