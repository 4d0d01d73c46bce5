"""A real Alertmanager (Debian's) that has our configuration, and forgets between two questions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.waiting import PATIENCE_S

Labels = Mapping[str, str]


@dataclass(frozen=True)
class AlertmanagerServer:
    """At `url`."""

    url: str

    def kept_back(self, alerts: Collection[Labels]) -> set[str]:
        """Names of those of which nobody is told while all of them fire."""
        self._post(alerts, timedelta(minutes=5))
        try:
            with httpx.Client(base_url=self.url, trust_env=False) as client:
                found = client.get("/api/v2/alerts").raise_for_status().json()
        finally:
            self._post(alerts, timedelta(seconds=-1))
        return {
            each["labels"]["alertname"]
            for each in found
            if each["status"]["state"] == "suppressed"
            and each["labels"] in [dict(a) for a in alerts]
        }

    def fire(self, *alerts: Labels) -> None:
        """Until they end."""
        self._post(alerts, timedelta(minutes=5))

    def end(self, *alerts: Labels) -> None:
        """The all-clear of these."""
        self._post(alerts, timedelta(seconds=-1))

    def _post(self, alerts: Collection[Labels], lasting: timedelta) -> None:
        now = datetime.now(UTC)
        body = [
            {
                "labels": dict(each),
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": (now + lasting).isoformat(),
            }
            for each in alerts
        ]
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            client.post("/api/v2/alerts", json=body).raise_for_status()


@contextmanager
def alertmanager(folder: Path, configuration: Mapping[str, Any]) -> Iterator[AlertmanagerServer]:
    """With a configuration of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    (folder / "alertmanager.yml").write_text(json.dumps(configuration))
    process = ServiceProcess(folder, "alertmanager")
    command = [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{process.port}",
        "--cluster.listen-address=",
    ]
    try:
        process.serve(command, {}, ready_path="/-/ready", timeout_s=PATIENCE_S)
        yield AlertmanagerServer(process.url)
    finally:
        process.stop()
