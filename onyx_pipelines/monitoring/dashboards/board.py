"""A dashboard as Grafana 10 to 13 reads it from a file: the schema that all of them migrate from.

Not by grafana-foundation-sdk: what pip resolves it to is the schema of 10.1, and it knows neither
units nor PromQL. The tests hold what is made here against Grafana's published schemas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from onyx_pipelines.monitoring.rules.rule import Board

# 39: Grafana 10; newer ones migrate it when they load it.
_SCHEMA_VERSION: Final = 39
# AC9.1.2.
REFRESH: Final = "10s"
_COLUMNS: Final = 24
_HEIGHT: Final = {"stat": 4, "timeseries": 8, "table": 8}


class Shape(StrEnum):
    """Of a panel."""

    STAT = "stat"
    LINES = "timeseries"
    TABLE = "table"


class Unit(StrEnum):
    """As Grafana calls them."""

    NUMBER = "short"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "percentunit"
    PER_SECOND = "reqps"
    DOLLARS = "currencyUSD"
    MOMENT = "dateTimeAsIso"


@dataclass(frozen=True)
class Line:
    """One query. `legend`: with `{{label}}` of labels that the query keeps."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """Args:
    text: what it shows and from when on it is bad, for whoever holds the mouse over it.
    columns: of 24.
    bad_above: the threshold that is drawn; None: none.
    bad_below: likewise.
    """

    title: str
    text: str
    unit: Unit
    lines: Sequence[Line]
    shape: Shape = Shape.LINES
    columns: int = 8
    bad_above: float | None = None
    bad_below: float | None = None

    def rendered(self, number: int, x: int, y: int) -> dict[str, Any]:
        """At a place of the grid."""
        instant = self.shape is not Shape.LINES
        return {
            "id": number,
            "type": self.shape.value,
            "title": self.title,
            "description": self.text,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.columns, "h": _HEIGHT[self.shape.value]},
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit.value,
                    "color": {"mode": "thresholds" if instant else "palette-classic"},
                    "thresholds": {"mode": "absolute", "steps": self._steps()},
                    "custom": _DRAWN[self.shape],
                },
                "overrides": [],
            },
            "options": _OPTIONS[self.shape],
            "targets": [
                {
                    "refId": chr(ord("A") + at),
                    "datasource": _SOURCE,
                    "expr": line.expr,
                    "legendFormat": line.legend,
                    "instant": instant,
                    "range": not instant,
                    "format": "table" if self.shape is Shape.TABLE else "time_series",
                }
                for at, line in enumerate(self.lines)
            ],
        }

    def _steps(self) -> list[dict[str, Any]]:
        if self.bad_below is not None:
            return [{"color": "red", "value": None}, {"color": "green", "value": self.bad_below}]
        good = [{"color": "green", "value": None}]
        return (
            good if self.bad_above is None else [*good, {"color": "red", "value": self.bad_above}]
        )


_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_DRAWN: Final[dict[Shape, dict[str, Any]]] = {
    Shape.STAT: {},
    Shape.LINES: {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": False},
    Shape.TABLE: {"align": "auto", "inspect": False},
}
_OPTIONS: Final[dict[Shape, dict[str, Any]]] = {
    Shape.STAT: {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    Shape.LINES: {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Shape.TABLE: {"showHeader": True, "frameIndex": 0},
}


@dataclass(frozen=True)
class Dashboard:
    """Args:
    panels: in reading order; a row of the grid is filled before the next begins.
    """

    board: Board
    title: str
    panels: Sequence[Panel] = field(default_factory=tuple)

    def rendered(self) -> str:
        """JSON, the same for the same panels."""
        return json.dumps(self._document(), indent=1, ensure_ascii=False) + "\n"

    def _document(self) -> dict[str, Any]:
        return {
            "uid": self.board.value,
            "title": self.title,
            "tags": ["onyx"],
            "schemaVersion": _SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": REFRESH,
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "utc",
            "timepicker": {"refresh_intervals": ["5s", REFRESH, "30s", "1m", "5m"]},
            "templating": {"list": [_DATASOURCE]},
            "annotations": {"list": [_RESTARTS]},
            "links": [_OTHERS],
            "panels": self._placed(),
        }

    def _placed(self) -> list[dict[str, Any]]:
        placed, x, y, height = [], 0, 0, 0
        for number, panel in enumerate(self.panels, 1):
            if x + panel.columns > _COLUMNS:
                x, y, height = 0, y + height, 0
            placed.append(panel.rendered(number, x, y))
            x, height = x + panel.columns, max(height, _HEIGHT[panel.shape.value])
        return placed


_OTHERS: Final = {
    "type": "dashboards",
    "title": "ONYX",
    "tags": ["onyx"],
    "asDropdown": True,
    "icon": "external link",
    "tooltip": "",
    "url": "",
    "targetBlank": False,
    "includeVars": True,
    "keepTime": True,
}
# Provisioned from a file, `__inputs` stay unanswered; a variable finds the data source.
_DATASOURCE: Final = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
}
_RESTARTS: Final = {
    "name": "Deployments",
    "datasource": _SOURCE,
    "enable": True,
    "iconColor": "blue",
    "expr": "changes(onyx_pipelines_build_info[1m]) > 0",
    "titleFormat": "onyx-pipelines {{version}}",
}
