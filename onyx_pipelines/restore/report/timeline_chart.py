"""The measured recovery as a Gantt chart: what ran when, for which item, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from onyx_pipelines.page.canvas import Drawing, Layout, drawable, new_figure
from onyx_pipelines.page.palette import LIGHT
from onyx_pipelines.restore.report.palette import step_role
from onyx_pipelines.restore.report.scales import duration_ticks
from onyx_pipelines.restore.report.timeline import Bar, Row, timeline_rows
from onyx_pipelines.restore.report.wording import (
    COMPONENT_NAMES,
    STEP_NAMES,
    count_text,
    duration_text,
    shortened,
)
from onyx_pipelines.restore.results import DrillResult, Step
from onyx_pipelines.sources.source import Component

# A pattern besides the colour, for grey prints and for who sees colours differently.
_HATCHES = {Step.PREPARE: "\\\\\\", Step.FETCH: "", Step.RESTORE: "", Step.COMPARE: "///"}
_HATCHES[Step.CLEAN_UP] = "|||"
_TOP_PX, _BOTTOM_PX = 34, 30
_LEAST_BAR_PX = 2.0


@dataclass(frozen=True)
class _Measures:
    """Lengths in pixels. `label_px` is the column of names, none where they stand above bars."""

    label_px: float
    right_px: float
    row_px: float
    header_px: float
    bar_top_px: float
    bar_px: float
    label_chars: int
    ticks: int


_WIDE = _Measures(240, 76, 23, 28, 4, 15, 29, 11)
_NARROW = _Measures(8, 8, 37, 28, 20, 12, 34, 6)


@dataclass
class _Notes:
    tooltips: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


def timeline_drawing(result: DrillResult, layout: Layout) -> Drawing | None:
    """None if no step was timed: there is nothing to draw."""
    rows = timeline_rows(result)
    if not rows:
        return None
    measures = _NARROW if layout.narrow else _WIDE
    end_s = max(row.end_s for row in rows) or 1.0
    components = list(dict.fromkeys(row.component for row in rows))
    legend_px = 22 if layout.narrow else 0
    body_px = len(rows) * measures.row_px + len(components) * measures.header_px
    top_px = _TOP_PX + legend_px
    height_px = top_px + body_px + _BOTTOM_PX
    figure = new_figure(layout.width_px, height_px)
    plot_px = layout.width_px - measures.label_px - measures.right_px
    axes = figure.add_axes(
        (
            measures.label_px / layout.width_px,
            _BOTTOM_PX / height_px,
            plot_px / layout.width_px,
            body_px / height_px,
        )
    )
    axes.set_xlim(0, end_s)
    axes.set_ylim(body_px, 0)
    _draw_axis(axes, end_s, layout, measures)
    notes = _Notes()
    top = 0.0
    for component in components:
        _draw_header(axes, component, top, layout, measures)
        top += measures.header_px
        for row in (row for row in rows if row.component is component):
            _draw_row(axes, row, top, end_s / plot_px, layout, measures, notes)
            top += measures.row_px
    _draw_legend(axes, rows, layout, body_px)
    return Drawing(
        figure,
        title="Timeline of the drill",
        description=_description(rows, end_s),
        tooltips=notes.tooltips,
        texts=notes.texts,
    )


def _draw_axis(axes: Axes, end_s: float, layout: Layout, measures: _Measures) -> None:
    axes.set_facecolor("none")
    axes.spines[:].set_visible(False)
    axes.yaxis.set_visible(False)
    axes.set_axisbelow(True)
    ticks = duration_ticks(end_s, most=measures.ticks)
    axes.set_xticks([tick.value for tick in ticks], [tick.text for tick in ticks])
    axes.tick_params(
        axis="x", length=0, pad=6, labelsize=layout.font_px - 1, labelcolor=LIGHT["muted"]
    )
    axes.grid(axis="x", color=LIGHT["line"], linewidth=0.8)
    for label in axes.get_xticklabels()[:1]:
        label.set_horizontalalignment("left" if layout.narrow else "center")


def _draw_header(
    axes: Axes, component: Component, top: float, layout: Layout, measures: _Measures
) -> None:
    x_start = -measures.label_px / _axes_px(layout, measures)
    x_end = 1 + measures.right_px / _axes_px(layout, measures)
    axes.add_patch(
        Rectangle(
            (x_start, top + 3),
            x_end - x_start,
            measures.header_px - 6,
            transform=axes.get_yaxis_transform(),
            facecolor=LIGHT["band"],
            linewidth=0,
            clip_on=False,
            zorder=2,
        )
    )
    axes.annotate(
        COMPONENT_NAMES[component],
        (x_start, top + measures.header_px / 2),
        xycoords=axes.get_yaxis_transform(),
        xytext=(8, 0),
        textcoords="offset points",
        fontsize=layout.font_px,
        fontweight="bold",
        color=LIGHT["ink"],
        verticalalignment="center_baseline",
        annotation_clip=False,
        zorder=3,
    )


def _draw_row(
    axes: Axes,
    row: Row,
    top: float,
    s_per_px: float,
    layout: Layout,
    measures: _Measures,
    notes: _Notes,
) -> None:
    lane_px = measures.bar_px / row.lanes
    for bar in row.bars:
        artist = f"bar-{len(notes.tooltips)}"
        axes.add_patch(
            Rectangle(
                (bar.offset_s, top + measures.bar_top_px + bar.lane * lane_px),
                max(bar.duration_s, _LEAST_BAR_PX * s_per_px),
                lane_px,
                facecolor=LIGHT[step_role(bar.step)],
                edgecolor=LIGHT["surface"],
                linewidth=0.5,
                hatch=_HATCHES[bar.step],
                clip_on=False,
                gid=artist,
                zorder=3,
            )
        )
        notes.tooltips[artist] = _bar_text(row, bar)
    artist = f"name-{len(notes.texts)}"
    label = shortened(row.label, measures.label_chars)
    notes.texts[artist] = label
    middle = top + measures.bar_top_px + measures.bar_px / 2
    name_y = top + measures.bar_top_px / 2 + 1 if layout.narrow else middle
    name_x = -measures.label_px / _axes_px(layout, measures)
    axes.annotate(
        drawable(label),
        (name_x, name_y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(8 if layout.narrow else 20, 0),
        textcoords="offset points",
        fontsize=layout.font_px,
        color=LIGHT["ink"],
        verticalalignment="center_baseline",
        annotation_clip=False,
        parse_math=False,
        gid=artist,
        zorder=4,
    )
    axes.annotate(
        duration_text(row.busy_s),
        (1, name_y) if layout.narrow else (row.end_s, middle),
        xycoords=axes.get_yaxis_transform() if layout.narrow else "data",
        xytext=(0, 0) if layout.narrow else (6, 0),
        textcoords="offset points",
        horizontalalignment="right" if layout.narrow else "left",
        fontsize=layout.font_px - 1,
        color=LIGHT["muted"],
        verticalalignment="center_baseline",
        annotation_clip=False,
        zorder=4,
    )


def _draw_legend(axes: Axes, rows: Sequence[Row], layout: Layout, body_px: float) -> None:
    used = {bar.step for row in rows for bar in row.bars}
    handles = [
        Patch(
            facecolor=LIGHT[step_role(step)],
            edgecolor=LIGHT["surface"],
            linewidth=0.5,
            hatch=_HATCHES[step],
            label=STEP_NAMES[step],
        )
        for step in Step
        if step in used
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1 + 4 / body_px),
        borderaxespad=0,
        borderpad=0,
        ncols=3 if layout.narrow else len(handles),
        frameon=False,
        fontsize=layout.font_px,
        labelcolor=LIGHT["ink"],
        handlelength=1.6,
        handleheight=0.9,
        columnspacing=1.6,
    )


def _axes_px(layout: Layout, measures: _Measures) -> float:
    return layout.width_px - measures.label_px - measures.right_px


def _bar_text(row: Row, bar: Bar) -> str:
    return (
        f"{COMPONENT_NAMES[row.component]}, {row.label}: {STEP_NAMES[bar.step].lower()}"
        f" {duration_text(bar.duration_s)}, from {duration_text(bar.offset_s)} on"
    )


def _description(rows: Sequence[Row], end_s: float) -> str:
    slowest = max(rows, key=lambda row: row.busy_s)
    return (
        f"{count_text(len(rows), 'row')} over {duration_text(end_s)}. Longest:"
        f" {COMPONENT_NAMES[slowest.component]} {slowest.label},"
        f" {duration_text(slowest.busy_s)}. The table of steps below has the same numbers."
    )
