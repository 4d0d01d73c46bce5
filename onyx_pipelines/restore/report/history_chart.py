"""Recovery time over the drills so far, each with its verdict, against the objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

from onyx_pipelines.page.canvas import Drawing, Layout, new_figure
from onyx_pipelines.page.palette import LIGHT
from onyx_pipelines.restore.report.palette import verdict_role
from onyx_pipelines.restore.report.scales import Tick, date_ticks, days, decade_ticks
from onyx_pipelines.restore.report.wording import (
    VERDICT_NAMES,
    count_text,
    duration_text,
    limit_text,
    moment_text,
)
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines.restore.verdict import Verdict

MOST_DRILLS = 120
_MARKERS = {Verdict.PASSED: "o", Verdict.FAILED: "X", Verdict.COULD_NOT_VERIFY: "D"}
_LEAST_S = 0.01


@dataclass(frozen=True)
class _Measures:
    """Lengths in pixels."""

    height_px: float
    left_px: float
    right_px: float
    top_px: float
    bottom_px: float
    dates: int
    legend_columns: int


_WIDE = _Measures(300, 64, 24, 34, 30, 9, 4)
_NARROW = _Measures(290, 50, 14, 52, 30, 5, 2)


def history_drawing(result: DrillResult, earlier: Sequence[DrillResult], layout: Layout) -> Drawing:
    """The drill `result` and up to MOST_DRILLS - 1 before it. `earlier` is newest first.

    The scale is logarithmic: a drill of seconds and an objective of an hour are both read off, and
    twice as slow is the same step everywhere. A drill without a recovery time stands at the bottom.
    """
    drills = [*reversed(earlier[: MOST_DRILLS - 1]), result]
    measured = [drill for drill in drills if drill.recovery_is_measured]
    measures = _NARROW if layout.narrow else _WIDE
    figure = new_figure(layout.width_px, measures.height_px)
    axes = figure.add_axes(
        (
            measures.left_px / layout.width_px,
            measures.bottom_px / measures.height_px,
            1 - (measures.left_px + measures.right_px) / layout.width_px,
            1 - (measures.top_px + measures.bottom_px) / measures.height_px,
        )
    )
    _draw_scales(axes, drills, result.objective_s, layout, measures)
    _draw_objective(axes, result.objective_s, layout)
    axes.plot(
        [days(drill.started_at) for drill in measured],
        [_height_s(drill) for drill in measured],
        color=LIGHT["muted"],
        linewidth=1.2,
        zorder=2,
    )
    size = 9.0 if len(drills) <= 40 else 7.0
    tooltips = {}
    for index, drill in enumerate(drills):
        artist = f"drill-{index}"
        tooltips[artist] = _tooltip(drill)
        axes.add_line(_marker(drill.verdict, _place(axes, drill), size, artist))
    axes.add_line(_ring(_place(axes, result)))
    _draw_legend(axes, drills, layout, measures)
    return Drawing(
        figure,
        title="Recovery time over the drills",
        description=_description(drills, measured, result.objective_s),
        tooltips=tooltips,
        texts={},
    )


def _draw_scales(
    axes: Axes,
    drills: Sequence[DrillResult],
    objective_s: float,
    layout: Layout,
    measures: _Measures,
) -> None:
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["line"])
    heights = [objective_s, *(_height_s(d) for d in drills if d.recovery_is_measured)]
    low_s, high_s = min(heights) / 4, max(heights) * 2
    axes.set_yscale("log")
    axes.set_ylim(low_s, high_s)
    durations = decade_ticks(min(heights) / 1.5, high_s)
    if not all(drill.recovery_is_measured for drill in drills):
        durations.append(Tick(_unmeasured_s(axes), "none"))
    axes.set_yticks([tick.value for tick in durations], [tick.text for tick in durations])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    first, last = _span(drills)
    axes.set_xlim(days(first), days(last))
    newest = drills[-1].started_at
    dates = date_ticks(first, newest, most=measures.dates)
    if len(drills) == 1:
        dates = [Tick(days(newest), moment_text(newest))]
    axes.set_xticks([tick.value for tick in dates], [tick.text for tick in dates])
    axes.tick_params(length=0, pad=6, labelsize=layout.font_px - 1, labelcolor=LIGHT["muted"])
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.8)


def _draw_objective(axes: Axes, objective_s: float, layout: Layout) -> None:
    axes.axhline(objective_s, color=LIGHT["failed"], linewidth=1.4, linestyle=(0, (6, 4)), zorder=2)
    axes.annotate(
        f"objective {limit_text(objective_s)}",
        (0, objective_s),
        xycoords=axes.get_yaxis_transform(),
        xytext=(4, 5),
        textcoords="offset points",
        fontsize=layout.font_px - 1,
        color=LIGHT["failed"],
        zorder=5,
    )


def _place(axes: Axes, drill: DrillResult) -> tuple[float, float]:
    height = _height_s(drill) if drill.recovery_is_measured else _unmeasured_s(axes)
    return days(drill.started_at), height


def _unmeasured_s(axes: Axes) -> float:
    """The height of drills without a recovery time, below all others."""
    return 1.6 * axes.get_ylim()[0]


def _marker(
    verdict: Verdict, place: tuple[float, float] | None, size_px: float, artist: str | None = None
) -> Line2D:
    """A verdict's marker. Each has a shape of its own; what is unknown is hollow."""
    colour = LIGHT[verdict_role(verdict)]
    hollow = verdict is Verdict.COULD_NOT_VERIFY
    return Line2D(
        [place[0]] if place else [],
        [place[1]] if place else [],
        linestyle="none",
        marker=_MARKERS[verdict],
        markersize=size_px - 1 if hollow else size_px,
        markerfacecolor=LIGHT["surface"] if hollow else colour,
        markeredgecolor=colour if hollow else LIGHT["surface"],
        markeredgewidth=1.8 if hollow else 0.8,
        clip_on=False,
        gid=artist,
        zorder=4,
        label=VERDICT_NAMES[verdict],
    )


def _ring(place: tuple[float, float] | None) -> Line2D:
    """Around this drill's marker."""
    return Line2D(
        [place[0]] if place else [],
        [place[1]] if place else [],
        linestyle="none",
        marker="o",
        markersize=16 if place else 11,
        markerfacecolor="none",
        markeredgecolor=LIGHT["ink"],
        markeredgewidth=1.5,
        clip_on=False,
        zorder=5,
        label="this drill",
    )


def _draw_legend(
    axes: Axes, drills: Sequence[DrillResult], layout: Layout, measures: _Measures
) -> None:
    present = {drill.verdict for drill in drills}
    handles = [_marker(verdict, None, 9) for verdict in Verdict if verdict in present]
    plot_px = measures.height_px - measures.top_px - measures.bottom_px
    axes.legend(
        handles=[*handles, _ring(None)],
        loc="lower left",
        bbox_to_anchor=(0, 1 + 8 / plot_px),
        borderaxespad=0,
        borderpad=0,
        ncols=measures.legend_columns,
        frameon=False,
        fontsize=layout.font_px,
        labelcolor=LIGHT["ink"],
        handletextpad=0.3,
        columnspacing=1.4,
    )


def _height_s(drill: DrillResult) -> float:
    return max(drill.recovery_s, _LEAST_S)


def _span(drills: Sequence[DrillResult]) -> tuple[datetime, datetime]:
    """The ends of the axis, with room beside the first and the last drill."""
    first, last = drills[0].started_at, drills[-1].started_at
    room = max((last - first) * 0.03, timedelta(minutes=10))
    if first == last:
        room = timedelta(days=1)
    return first - room, last + room


def _tooltip(drill: DrillResult) -> str:
    time = duration_text(drill.recovery_s) if drill.recovery_is_measured else "not measured"
    return f"{moment_text(drill.started_at)}: {VERDICT_NAMES[drill.verdict]}, recovery {time}"


def _description(
    drills: Sequence[DrillResult], measured: Sequence[DrillResult], objective_s: float
) -> str:
    text = f"{count_text(len(drills), 'drill')}, objective {limit_text(objective_s)}."
    if not measured:
        return f"{text} None has a recovery time."
    times = [drill.recovery_s for drill in measured]
    return (
        f"{text} Recovery time between {duration_text(min(times))} and"
        f" {duration_text(max(times))}. The table below has the newest ones."
    )
