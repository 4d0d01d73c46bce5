"""Prometheus' own configuration, rendered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onyx_pipelines.monitoring.metrics import SERIES_BUDGET
from onyx_pipelines.monitoring.services import AROUND, CORE, PROBED, Probed, Scraped

# AC9.1.1.
INTERVAL: Final = "15s"
RULE_FILE: Final = "rules.yml"


def prometheus_config(
    scraped: Sequence[Scraped] = (*CORE, *AROUND),
    probed: Sequence[Probed] = PROBED,
    *,
    interval: str = INTERVAL,
    alertmanager: str = "alertmanager:9093",
    blackbox: str = "blackbox-exporter:9115",
) -> dict[str, Any]:
    """For its YAML."""
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": "10s" if interval == INTERVAL else interval,
            "evaluation_interval": interval,
        },
        "rule_files": [RULE_FILE],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            *(_limited(each.rendered()) for each in scraped),
            *([_probes(probed, blackbox)] if probed else []),
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
