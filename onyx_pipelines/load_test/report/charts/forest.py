"""Change against the baseline: each figure's ratio with its interval."""

from __future__ import annotations

import math
from typing import Final

from onyx_pipelines.load_test.report.charts.axes import (
    grid_of_axes,
    label,
    name_rows,
    room_for,
    shown_names,
)
from onyx_pipelines.load_test.report.wording import TIMES
from onyx_pipelines.load_test.results import Change, ChangeKind, LoadTestResult
from onyx_pipelines.page.canvas import Drawing, Layout
from onyx_pipelines.page.palette import LIGHT

_ROW_PX: Final = 24.0
_COLOURS: Final = {
    ChangeKind.REGRESSED: "failed",
    ChangeKind.IMPROVED: "passed",
    ChangeKind.UNCHANGED: "ink",
    ChangeKind.INCONCLUSIVE: "muted",
}
_TICKS: Final = (0.1, 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 8.0, 16.0)
_FEW_TICKS: Final = (0.1, 0.5, 1.0, 2.0, 8.0)
_LINES: Final = ((1.0, "ink", "-"), (1.25, "muted", ":"), (2.0, "failed", "--"))


def forest_drawing(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """None without a baseline. A ratio that a log axis has no place for is not drawn."""
    changes = [each for each in result.comparison.changes if _is_drawable(each.ratio)]
    if not changes:
        return None
    height = 90.0 + _ROW_PX * len(changes)
    names = shown_names([each.name for each in changes], layout)
    figure, (axes,) = grid_of_axes(layout, 1, height=height, left=room_for(names))
    ends = [end for each in changes for end in _ends(each)]
    axes.set_xscale("log")
    axes.set_xlim(min(0.7, *ends) / 1.08, max(2.3, *ends) * 1.08)
    for ratio, role, style in _LINES:
        axes.axvline(ratio, color=LIGHT[role], linewidth=1, linestyle=style)
    for at, change in enumerate(changes):
        low, high = _ends(change)
        colour = LIGHT[_COLOURS[change.kind]]
        axes.plot([low, high], [at, at], color=colour, linewidth=2)
        marker = "s" if change.is_gating else "o"
        axes.plot([change.ratio or 1.0], [at], marker=marker, color=colour, markersize=6)
    axes.set_ylim(len(changes) - 0.4, -0.6)
    name_rows(axes, names)
    wanted = _FEW_TICKS if layout.narrow else _TICKS
    ticks = [tick for tick in wanted if _within(tick, axes.get_xlim())]
    axes.set_xticks(ticks, [f"{tick:g}{TIMES}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=False)
    axis = "right is worse; squares decide"
    label(axes, layout, "", axis if layout.narrow else f"times the baseline ({axis})", "")
    return Drawing(
        figure,
        title="Change against the baseline",
        description="Ratio to the baseline with a 95 % interval; beyond 2 it is an alarm.",
        tooltips={},
        texts={},
    )


def _ends(change: Change) -> tuple[float, float]:
    ratio, interval = change.ratio or 1.0, change.interval
    if interval is None:
        return ratio, ratio
    low = interval.low if _is_drawable(interval.low) else ratio
    high = interval.high if _is_drawable(interval.high) else ratio
    return low or ratio, high or ratio


def _is_drawable(ratio: float | None) -> bool:
    return ratio is not None and math.isfinite(ratio) and ratio > 0


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
