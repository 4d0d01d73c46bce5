"""A real Prometheus (Debian's) that scrapes what a test names, every second."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.waiting import PATIENCE_S

# Stands for it in the address of a target: a Prometheus may play a service itself.
OWN_PORT = "@PORT@"


@dataclass(frozen=True)
class PrometheusServer:
    """At `url`."""

    url: str

    def value(self, query: str) -> float | None:
        """Of the first series."""
        answer = httpx.get(
            f"{self.url}/api/v1/query",
            params={"query": query},
            trust_env=False,
            verify=usual_certificates(),
        )
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def wait_for(self, query: str, *, timeout_s: float = PATIENCE_S) -> float:
        """Until the query gives a number that is not 0."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = self.value(query)
            if found:
                return found
            time.sleep(0.2)
        raise TimeoutError(f"Prometheus knows nothing of {query}")


@contextmanager
def prometheus(
    folder: Path, jobs: Mapping[str, Mapping[str, object]], *, rules: Sequence[Path] = ()
) -> Iterator[PrometheusServer]:
    """`jobs`: what goes into the configuration besides the name, e.g. static_configs."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(each) for each in rules],
        "scrape_configs": [{"job_name": name, **job} for name, job in jobs.items()],
    }
    process = ServiceProcess(folder, "prometheus")
    # JSON is YAML.
    text = json.dumps(configuration).replace(OWN_PORT, str(process.port))
    (folder / "prometheus.yml").write_text(text)
    command = [
        program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{process.port}",
    ]
    try:
        process.serve(command, {}, ready_path="/-/ready", timeout_s=PATIENCE_S)
        yield PrometheusServer(process.url)
    finally:
        process.stop()
