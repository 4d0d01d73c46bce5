"""Grafana's own configuration: sign-in, port (AC9.1.4), where dashboards and data come from."""

from __future__ import annotations

from typing import Any, Final

DASHBOARDS_PROVIDER: Final[dict[str, Any]] = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "onyx",
            "folder": "ONYX",
            "type": "file",
            "allowUiUpdates": False,
            "options": {"path": "/etc/grafana/dashboards"},
        }
    ],
}
DATASOURCE: Final[dict[str, Any]] = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Prometheus",
            "uid": "onyx-prometheus",
            "type": "prometheus",
            "access": "proxy",
            "url": "http://prometheus:9090",
            "isDefault": True,
            "jsonData": {"timeInterval": "15s"},
        }
    ],
}
# The password is a file: GF_SECURITY_ADMIN_PASSWORD__FILE.
GRAFANA_INI: Final = """; Rendered from onyx_pipelines/monitoring by `make docs`; do not edit.
[server]
http_port = 3001

[auth.anonymous]
enabled = false

[users]
allow_sign_up = false

[dashboards]
min_refresh_interval = 5s

[analytics]
reporting_enabled = false
check_for_updates = false
"""
