"""Draws docs/pictures/preview-….png anew: `python -m docs.making.previews`.

A sandbox is watched for some minutes while people use it; matplotlib draws what each dashboard's
queries give. They are previews: Grafana is not installed here, and draws them otherwise.
"""

from __future__ import annotations

import io
import json
import math
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.making.pages import DOCS
from docs.making.pictures import smaller
from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.dashboards.board import Dashboard, Panel, Shape, Unit
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.sandbox.monitoring.prometheus import PrometheusServer
from onyx_pipelines_tests.monitoring.watched_sandbox import watched_sandbox

_WATCHED_S: Final = 240
_STEP_S: Final = 5
_ROUNDS: Final = 30
_WIDTH_INCHES, _ROW_INCHES, _DPI = 12.8, 0.27, 90
_COLUMNS: Final = 24
_LONGEST_LEGEND: Final = 8
_STATS_IN_A_ROW: Final = 3
_GOOD, _BAD, _TEXT = "#2a7d4f", "#b3372f", "#333333"


def main() -> None:
    """All five, of a sandbox that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with watched_sandbox(Path(folder) / "sandbox", Path(folder)) as watched:
            deadline = time.monotonic() + _WATCHED_S
            while time.monotonic() < deadline:
                watched.ask(1)
                time.sleep(_WATCHED_S / _ROUNDS / 2)
            for board in dashboards(Thresholds()):
                picture = smaller(_drawn(board, watched.sandbox.monitoring.prometheus))
                (DOCS / "pictures" / f"preview-{board.board.value}.png").write_bytes(picture)


def _drawn(board: Dashboard, prometheus: PrometheusServer) -> bytes:
    places = [panel["gridPos"] for panel in json.loads(board.rendered())["panels"]]
    rows = max(each["y"] + each["h"] for each in places) + 1
    figure = Figure((_WIDTH_INCHES, rows * _ROW_INCHES), dpi=_DPI, facecolor="white")
    for panel, place in zip(board.panels, places, strict=True):
        left, width = place["x"] / _COLUMNS, place["w"] / _COLUMNS
        height = place["h"] / rows
        bottom = 1 - (place["y"] + 1) / rows - height
        # Room for a title above and for figures at the left and below.
        axes = figure.add_axes(
            (left + 0.045, bottom + 1.1 / rows, width - 0.06, height - 2.4 / rows)
        )
        _draw(axes, panel, prometheus)
    figure.text(0.01, 1 - 0.8 / rows, f"{board.title} (preview)", fontsize=11, weight="bold")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _draw(axes: Axes, panel: Panel, prometheus: PrometheusServer) -> None:
    axes.set_title(panel.title, fontsize=8, loc="left", color=_TEXT)
    axes.tick_params(labelsize=6, colors=_TEXT)
    for side in axes.spines.values():
        side.set_color("#cccccc")
    lines = [
        (_legend(line.legend, each["metric"]), each.get("values") or [each["value"]])
        for line in panel.lines
        for each in _asked(panel, line.expr.replace("$__rate_interval", "1m"), prometheus)
        # What else this machine has mounted is no matter of the sandbox.
        if each["metric"].get("mountpoint", "/") == "/"
    ]
    if panel.shape is Shape.LINES:
        _draw_lines(axes, panel, lines)
    else:
        _write_last(axes, panel, lines)


def _asked(panel: Panel, query: str, prometheus: PrometheusServer) -> list[dict[str, Any]]:
    if panel.shape is Shape.LINES:
        return prometheus.history(query, _WATCHED_S, _STEP_S)
    return prometheus.series(query)


def _draw_lines(axes: Axes, panel: Panel, lines: list[tuple[str, Any]]) -> None:
    end = max((float(values[-1][0]) for _, values in lines), default=0.0)
    for name, values in lines:
        axes.plot(
            [(float(at) - end) / 60 for at, _ in values],
            [_scaled(panel.unit, float(value)) for _, value in values],
            linewidth=1,
            label=name or panel.title,
        )
    # So that a line of zeros, or of all there is, is seen.
    highest = max(axes.get_ylim()[1], 1e-9)
    axes.set_ylim(-0.04 * highest, 1.15 * highest)
    axes.set_xlabel("minutes", fontsize=6, color=_TEXT, labelpad=0)
    axes.set_ylabel(_unit_name(panel.unit), fontsize=6, color=_TEXT, labelpad=1)
    if lines:
        axes.legend(
            *(each[:_LONGEST_LEGEND] for each in axes.get_legend_handles_labels()),
            fontsize=5.5,
            frameon=False,
            loc="upper left",
        )


def _write_last(axes: Axes, panel: Panel, lines: list[tuple[str, Any]]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    in_a_row = 1 if len(lines) == 1 or panel.shape is Shape.TABLE else _STATS_IN_A_ROW
    rows = math.ceil(len(lines) / in_a_row) or 1
    for number, (name, values) in enumerate(lines):
        value = float(values[-1][1])
        left = (number % in_a_row + 0.5) / in_a_row
        top = 1 - (number // in_a_row + 0.5) / rows
        axes.text(
            left,
            top,
            f"{name}  {_written(panel.unit, value)}"
            if len(lines) > 1
            else _written(panel.unit, value),
            fontsize=14 if len(lines) == 1 else 6,
            color=_BAD if _is_bad(panel, value) else _GOOD,
            ha="center",
            va="center",
        )


def _is_bad(panel: Panel, value: float) -> bool:
    above = panel.bad_above is not None and value >= panel.bad_above
    return above or (panel.bad_below is not None and value < panel.bad_below)


def _legend(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), template).strip()


def _scaled(unit: Unit, value: float) -> float:
    return value / 2**20 if unit is Unit.BYTES else 100 * value if unit is Unit.SHARE else value


def _unit_name(unit: Unit) -> str:
    return {
        Unit.BYTES: "MiB",
        Unit.SHARE: "%",
        Unit.SECONDS: "s",
        Unit.PER_SECOND: "1/s",
        Unit.DOLLARS: "US$",
    }.get(unit, "")


def _written(unit: Unit, value: float) -> str:
    if math.isnan(value):
        return "no data"
    if unit is Unit.MOMENT:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(value / 1000))
    return f"{_scaled(unit, value):.4g} {_unit_name(unit)}".strip()


if __name__ == "__main__":
    main()
