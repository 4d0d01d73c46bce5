from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

# Runs wait in the queue: no daemon takes them off it.
_DAGSTER_YAML = """
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
telemetry:
  enabled: false
"""


@dataclass(frozen=True)
class DagsterServer:
    """A real web server of Dagster's on an instance of its own."""

    url: str

    def graphql(self, query: str) -> dict[str, object]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query}, trust_env=False)
        data: dict[str, object] = answer.json()["data"]
        return data

    def runs(self) -> list[dict[str, object]]:
        data = self.graphql(
            "{ runsOrError { ... on Runs"
            " { results { runId jobName status tags { key value } } } } }"
        )
        found: list[dict[str, object]] = data["runsOrError"]["results"]  # type: ignore[index]
        return found

    def delete_all(self) -> None:
        for run in self.runs():
            self.graphql(
                f'mutation {{ deletePipelineRun(runId: "{run["runId"]}") {{ __typename }} }}'
            )


@pytest.fixture(scope="session")
def dagster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text(_DAGSTER_YAML)
    process = ServiceProcess(home, "webserver")
    environment = {
        "DAGSTER_HOME": str(home),
        "ONYX_STATE_DIR": str(home / "state"),
        "ONYX_BACKUP_DIR": str(home / "backups"),
    }
    command = [
        *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1"),
        *("-p", str(process.port), "-m", "onyx_pipelines.definitions"),
    ]
    try:
        process.start(command, environment, ready_path="/server_info", timeout_s=90)
        yield DagsterServer(process.url)
    finally:
        process.stop()


@dataclass(frozen=True)
class Api:
    """The application with a client for each scope."""

    app: FastAPI
    tokens: dict[Scope, str]

    def client(self, scope: Scope | None = Scope.RESTORE, address: str = "127.0.0.1") -> TestClient:
        headers = {"Authorization": f"Bearer {self.tokens[scope]}"} if scope else {}
        return TestClient(
            self.app, client=(address, 50_000), headers=headers, raise_server_exceptions=False
        )


def make_api(host: HostUnderTest) -> Api:
    tokens = TokenFile(host.settings.tokens_file)
    texts = {scope: tokens.create(scope.value, scope) for scope in Scope}
    return Api(create_app(host.settings), texts)


@pytest.fixture
def api(volume_host: HostUnderTest, dagster_server: DagsterServer) -> Api:
    """Of a host with one volume; its runs wait in a queue that is empty at first."""
    dagster_server.delete_all()
    volume_host.set(
        DAGSTER_URL=dagster_server.url, REPORTS_DIR=volume_host.root / "reports", LOAD_TEST_URL=None
    )
    return make_api(volume_host)
