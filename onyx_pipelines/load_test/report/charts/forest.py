"""Change against the baseline: each figure's ratio with its interval."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.load_test.report.charts.axes import grid_of_axes, label
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
_LINES: Final = ((1.0, "ink", "-"), (1.25, "muted", ":"), (2.0, "failed", "--"))


def forest_drawing(result: LoadTestResult, layout: Layout) -> Drawing | None:
    """None without a baseline."""
    changes = [each for each in result.comparison.changes if each.ratio is not None]
    if not changes:
        return None
    height = 90.0 + _ROW_PX * len(changes)
    left = 150.0 if layout.narrow else 210.0
    figure, (axes,) = grid_of_axes(layout, 1, height=height, left=left)
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
    axes.set_yticks(range(len(changes)), [change.name for change in changes])
    ticks = [tick for tick in (0.25, 0.5, 0.8, 1, 1.25, 2, 4, 8) if _within(tick, axes.get_xlim())]
    axes.set_xticks(ticks, [f"{tick:g}{TIMES}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=False)
    label(axes, layout, "", "times the baseline (right is worse); squares decide", "")
    return Drawing(
        figure,
        title="Change against the baseline",
        description="Ratio to the baseline with a 95 % interval; beyond 2 it is an alarm.",
        tooltips={},
        texts={},
    )


def _ends(change: Change) -> tuple[float, float]:
    ratio = change.ratio or 1.0
    interval = change.interval
    if interval is None:
        return ratio, ratio
    return interval.low or ratio, interval.high or ratio


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
