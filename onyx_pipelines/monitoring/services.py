"""What Prometheus scrapes: one typed line for each exporter, as it is called on `manus-network`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Scraped:
    """One job.

    Args:
        job: its name; also the contract that its metrics are held against.
        service: which service of the stack its metrics speak of.
        address: host and port.
        credentials_file: a bearer token's, where one is needed.
        users: name and file of a password, for basic authentication.
        keeps_labels: what it exposes speaks of other services, and its labels win.
        drops: a pattern of families that nothing reads and that cost many series.
    """

    job: str
    service: str
    address: str
    path: str = "/metrics"
    credentials_file: str = ""
    user: str = ""
    password_file: str = ""
    keeps_labels: bool = False
    drops: str = ""
    parameters: Mapping[str, list[str]] = field(default_factory=dict)

    def rendered(self) -> dict[str, Any]:
        """For Prometheus' YAML."""
        found: dict[str, Any] = {"job_name": self.job, "metrics_path": self.path}
        if self.parameters:
            found["params"] = dict(self.parameters)
        if self.keeps_labels:
            found["honor_labels"] = True
        if self.credentials_file:
            found["authorization"] = {"credentials_file": self.credentials_file}
        if self.user:
            found["basic_auth"] = {"username": self.user, "password_file": self.password_file}
        found["static_configs"] = [{"targets": [self.address], "labels": {"service": self.service}}]
        if self.drops:
            found["metric_relabel_configs"] = [
                {"source_labels": ["__name__"], "regex": self.drops, "action": "drop"}
            ]
        return found


_SECRETS: Final = "/etc/prometheus/secrets"

# The six of AC9.1.1: if one of them is silent, the stack is.
CORE: Final = (
    Scraped("suna", "suna", "suna:9464", user="metrics", password_file=f"{_SECRETS}/suna_password"),
    Scraped(
        "onyx", "onyx", "onyx-core:8080", user="metrics", password_file=f"{_SECRETS}/onyx_password"
    ),
    Scraped("qdrant", "qdrant", "qdrant:6333", credentials_file=f"{_SECRETS}/qdrant_api_key"),
    Scraped("postgresql", "postgresql", "postgres-exporter:9187"),
    Scraped("redis", "redis", "redis-exporter:9121"),
    # A port of its own (LiteLLM 1.101 and newer): no key, and no work for those who answer. Without
    # the slash it answers with where to ask.
    Scraped("litellm", "litellm", "litellm:4001", "/metrics/"),
)
AROUND: Final = (
    Scraped("nginx", "nginx", "nginx-exporter:9113"),
    Scraped("node", "host", "node-exporter:9100"),
    Scraped(
        "cadvisor",
        "host",
        "cadvisor:8080",
        drops="container_(tasks_state|network_(tcp|tcp6|udp|udp6|advance_tcp)_.*|blkio_.*)",
    ),
    Scraped(
        "onyx-pipelines",
        "onyx-pipelines",
        "onyx-api:8910",
        user="admin",
        password_file=f"{_SECRETS}/onyx_metrics_password",
        keeps_labels=True,
    ),
    Scraped("prometheus", "prometheus", "localhost:9090"),
    Scraped("alertmanager", "alertmanager", "alertmanager:9093"),
)


@dataclass(frozen=True)
class Probed:
    """An address that a person uses, asked by the blackbox exporter."""

    service: str
    url: str


PROBED: Final = (
    Probed("edge", "https://nginx/"),
    Probed("suna", "http://suna:3000/"),
    Probed("dagster", "http://dagster-webserver:3000/server_info"),
)
