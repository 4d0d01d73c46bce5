"""Everything that other programs read, as text. `make docs` writes it into deploy/monitoring/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from onyx_pipelines.monitoring.alertmanager_config import Receivers, alertmanager_config
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.monitoring.grafana_config import (
    DASHBOARDS_PROVIDER,
    DATASOURCE,
    GRAFANA_INI,
)
from onyx_pipelines.monitoring.prometheus_config import RULE_FILE, prometheus_config
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.thresholds import Thresholds

_HEAD: Final = "# Rendered from onyx_pipelines/monitoring by `make docs`; do not edit.\n"
DOCS_URL: Final = "http://localhost:3001/docs"
GRAFANA_URL: Final = "http://localhost:3001"


def rendered(
    thresholds: Thresholds | None = None,
    receivers: Receivers | None = None,
    *,
    docs_url: str = DOCS_URL,
    grafana_url: str = GRAFANA_URL,
) -> Mapping[str, str]:
    """Text by path below the folder."""
    thresholds = thresholds or Thresholds()
    rules = [each.rendered(docs_url, grafana_url) for each in groups(thresholds)]
    boards = {
        f"grafana/dashboards/{each.board.value}.json": each.rendered()
        for each in dashboards(thresholds)
    }
    return {
        **boards,
        "grafana/provisioning/dashboards/onyx.yml": _yaml(DASHBOARDS_PROVIDER),
        "grafana/provisioning/datasources/prometheus.yml": _yaml(DATASOURCE),
        "grafana/grafana.ini": GRAFANA_INI,
        "prometheus/prometheus.yml": _yaml(prometheus_config()),
        f"prometheus/{RULE_FILE}": _yaml({"groups": rules}),
        "alertmanager/alertmanager.yml": _yaml(alertmanager_config(receivers or Receivers())),
    }


def _yaml(value: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(value), sort_keys=False, width=100, allow_unicode=True)
    return _HEAD + text
