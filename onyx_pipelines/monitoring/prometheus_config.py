"""Prometheus' own configuration, rendered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onyx_pipelines.monitoring.deployment import Deployment, duration
from onyx_pipelines.monitoring.metrics import SERIES_BUDGET
from onyx_pipelines.monitoring.services import Probed

_LONGEST_SCRAPE: Final = "10s"
RULE_FILE: Final = "rules.yml"


def prometheus_config(deployment: Deployment) -> dict[str, Any]:
    """For its YAML."""
    interval, probed = deployment.pace.interval, deployment.probed
    targets = [deployment.alertmanager]
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": min(interval, _LONGEST_SCRAPE, key=duration),
            "evaluation_interval": interval,
        },
        "rule_files": [RULE_FILE],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": targets}]}]},
        "scrape_configs": [
            *(_limited(each.rendered()) for each in deployment.scraped),
            *([_probes(probed, deployment.blackbox)] if probed else []),
        ],
    }


def _limited(job: dict[str, Any]) -> dict[str, Any]:
    """What a service may cost us, whatever it labels its metrics with."""
    return {
        **job,
        "sample_limit": 20 * SERIES_BUDGET,
        "label_limit": 40,
        "label_value_length_limit": 512,
    }


def _probes(probed: Sequence[Probed], blackbox: str) -> dict[str, Any]:
    return {
        "job_name": "blackbox",
        "metrics_path": "/probe",
        "params": {"module": ["http_2xx"]},
        "static_configs": [
            {"targets": [each.url], "labels": {"service": each.service}} for each in probed
        ],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": blackbox},
        ],
    }
