"""A real web server of Dagster's, on an instance of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.waiting import PATIENCE_S

# Runs wait in the queue: no daemon takes them off it.
_DAGSTER_YAML = """
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
telemetry:
  enabled: false
nux:
  enabled: false
"""


@dataclass(frozen=True)
class DagsterServer:
    """At `url`, with its instance in `home`."""

    url: str
    home: Path

    def graphql(self, query: str) -> dict[str, object]:
        answer = httpx.post(
            f"{self.url}/graphql",
            json={"query": query},
            trust_env=False,
            verify=usual_certificates(),
        )
        data: dict[str, object] = answer.json()["data"]
        return data

    def runs(self) -> list[dict[str, object]]:
        data = self.graphql(
            "{ runsOrError { ... on Runs"
            " { results { runId jobName status tags { key value } } } } }"
        )
        found: list[dict[str, object]] = data["runsOrError"]["results"]  # type: ignore[index]  # JSON
        return found

    def delete_all(self) -> None:
        for run in self.runs():
            self.graphql(
                f'mutation {{ deletePipelineRun(runId: "{run["runId"]}") {{ __typename }} }}'
            )


@contextmanager
def dagster_web_server(
    home: Path, *options: str, name: str = "webserver", storage: str = ""
) -> Iterator[DagsterServer]:
    """With this project's code location. `storage`: that part of dagster.yaml."""
    (home / "dagster.yaml").write_text(_DAGSTER_YAML + storage)
    process = ServiceProcess(home, name)
    environment = {
        "DAGSTER_HOME": str(home),
        "ONYX_STATE_DIR": str(home / "state"),
        "ONYX_BACKUP_DIR": str(home / "backups"),
    }
    command = [
        *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1"),
        *("-p", str(process.port), "-m", "onyx_pipelines.definitions", *options),
    ]
    try:
        process.serve(command, environment, ready_path="/server_info", timeout_s=PATIENCE_S)
        yield DagsterServer(process.url, home)
    finally:
        process.stop()
