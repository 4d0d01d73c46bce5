"""Everything that other programs read, as text: by default settings in deploy/monitoring/ (`make
docs` writes it), by this host's where `onyx monitoring render` is told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from onyx_pipelines.core.settings import MonitoringSettings, Receivers, Thresholds
from onyx_pipelines.monitoring.alertmanager_config import alertmanager_config
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.monitoring.deployment import MANUS_NETWORK, Deployment
from onyx_pipelines.monitoring.grafana_config import (
    DASHBOARDS_PROVIDER,
    DATASOURCE,
    GRAFANA_INI,
)
from onyx_pipelines.monitoring.prometheus_config import RULE_FILE, prometheus_config
from onyx_pipelines.monitoring.rules.catalog import groups

_HEAD: Final = "# Rendered from onyx_pipelines/monitoring by `make docs`; do not edit.\n"
_DEFAULT: Final = MonitoringSettings.model_construct()


def rendered_for(settings: MonitoringSettings) -> Mapping[str, str]:
    """Text by path below the folder."""
    return rendered(
        settings.alert_thresholds,
        settings.alert_receivers,
        docs_url=settings.docs_url,
        grafana_url=settings.grafana_url,
    )


def rendered(
    thresholds: Thresholds | None = None,
    receivers: Receivers | None = None,
    deployment: Deployment = MANUS_NETWORK,
    *,
    docs_url: str = _DEFAULT.docs_url,
    grafana_url: str = _DEFAULT.grafana_url,
) -> Mapping[str, str]:
    """The same, of the defaults but for what is given."""
    thresholds = thresholds or Thresholds()
    rules = [
        each.rendered(docs_url.rstrip("/"), grafana_url.rstrip("/"), deployment.pace)
        for each in groups(thresholds, deployment)
    ]
    boards = {
        f"grafana/dashboards/{each.board.value}.json": each.rendered()
        for each in dashboards(thresholds)
    }
    return {
        **boards,
        "grafana/provisioning/dashboards/onyx.yml": _yaml(DASHBOARDS_PROVIDER),
        "grafana/provisioning/datasources/prometheus.yml": _yaml(DATASOURCE),
        "grafana/grafana.ini": GRAFANA_INI,
        "prometheus/prometheus.yml": _yaml(prometheus_config(deployment)),
        f"prometheus/{RULE_FILE}": _yaml({"groups": rules}),
        "alertmanager/alertmanager.yml": _yaml(
            alertmanager_config(receivers or Receivers(), pace=deployment.pace)
        ),
    }


def _yaml(value: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(value), sort_keys=False, width=100, allow_unicode=True)
    return _HEAD + text
