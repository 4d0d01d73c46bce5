"""Durations over dates on a logarithmic scale, each with its verdict, against an objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from onyx_pipelines.reporting.charts.canvas import FONT_PX, Drawing, add_axes, new_figure
from onyx_pipelines.reporting.charts.ticks import Tick, date_ticks, days, decade_ticks
from onyx_pipelines.reporting.palette import LIGHT, Badge
from onyx_pipelines.reporting.text import count_text, duration_text, limit_text, moment_text

# Each verdict has a shape of its own; what is unknown is hollow.
_MARKERS = {"passed": "o", "failed": "X", "could-not-verify": "D"}
_HOLLOW = "could-not-verify"
_LEAST_S = 0.01


@dataclass(frozen=True)
class Occasion:
    """One drill. `duration_s` None: not measured."""

    at: datetime
    duration_s: float | None
    verdict: Badge

    @property
    def height_s(self) -> float | None:
        return None if self.duration_s is None else max(self.duration_s, _LEAST_S)

    @property
    def tooltip(self) -> str:
        time = "not measured" if self.duration_s is None else duration_text(self.duration_s)
        return f"{moment_text(self.at)}: {self.verdict.word}, recovery {time}"


@dataclass(frozen=True)
class Size:
    """Lengths in pixels, and how much text has room."""

    name: str
    width_px: float
    height_px: float
    left_px: float
    right_px: float
    top_px: float
    dates: int
    legend_columns: int


WIDE = Size("wide", 1000, 300, 64, 24, 34, 9, 4)
NARROW = Size("narrow", 360, 290, 50, 14, 52, 5, 2)
_BOTTOM_PX = 30


def durations_drawing(occasions: Sequence[Occasion], objective_s: float, size: Size) -> Drawing:
    """At least one of `occasions`, oldest first; a ring is around the last one.

    Twice as slow is the same step everywhere, so that seconds and an objective of an hour are both
    read off. What was not measured stands at the bottom.
    """
    figure = new_figure(size.width_px, size.height_px)
    plot_px = size.height_px - size.top_px - _BOTTOM_PX
    width_px = size.width_px - size.left_px - size.right_px
    axes = add_axes(figure, size.left_px, size.top_px, width_px, plot_px)
    heights = [each.height_s for each in occasions if each.height_s is not None]
    _draw_scales(axes, occasions, [objective_s, *heights], size)
    _draw_objective(axes, objective_s)
    measured = [each for each in occasions if each.height_s is not None]
    line = Line2D([days(each.at) for each in measured], heights, color=LIGHT["muted"])
    line.set(linewidth=1.2, zorder=2)
    axes.add_line(line)
    px = 9.0 if len(occasions) <= 40 else 7.0
    for index, each in enumerate(occasions):
        axes.add_line(_marker(each, axes, px, f"drill-{index}"))
    axes.add_line(_ring(occasions[-1], axes, 16))
    present = {each.verdict.role: each for each in occasions}
    axes.legend(
        handles=[
            *(_marker(present[role], None, 9) for role in _MARKERS if role in present),
            _ring(occasions[-1], None, 11, label="this drill"),
        ],
        loc="lower left",
        bbox_to_anchor=(0, 1 + 8 / plot_px),
        borderaxespad=0,
        borderpad=0,
        ncols=size.legend_columns,
        frameon=False,
        fontsize=FONT_PX,
        labelcolor=LIGHT["ink"],
        handletextpad=0.3,
        columnspacing=1.4,
    )
    tooltips = {f"drill-{index}": each.tooltip for index, each in enumerate(occasions)}
    return Drawing(
        figure, "Recovery time over the drills", _description(occasions, objective_s), tooltips
    )


def _draw_scales(
    axes: Axes, occasions: Sequence[Occasion], heights: Sequence[float], size: Size
) -> None:
    axes.spines["left"].set_visible(False)
    low_s, high_s = min(heights) / 4, max(heights) * 2
    axes.set_yscale("log")
    axes.set_ylim(low_s, high_s)
    durations = decade_ticks(min(heights) / 1.5, high_s)
    if any(each.duration_s is None for each in occasions):
        durations.append(Tick(_unmeasured_s(axes), "none"))
    axes.set_yticks([tick.value for tick in durations], [tick.text for tick in durations])
    first, last = occasions[0].at, occasions[-1].at
    # Room beside the first and the last one.
    room = max((last - first) * 0.03, timedelta(minutes=10)) if first < last else timedelta(days=1)
    axes.set_xlim(days(first - room), days(last + room))
    dates = date_ticks(first - room, last, most=size.dates)
    if len(occasions) == 1:
        dates = [Tick(days(last), moment_text(last))]
    axes.set_xticks([tick.value for tick in dates], [tick.text for tick in dates])
    axes.minorticks_off()


def _draw_objective(axes: Axes, objective_s: float) -> None:
    axes.axhline(objective_s, color=LIGHT["failed"], linewidth=1.4, linestyle=(0, (6, 4)), zorder=2)
    axes.annotate(
        f"objective {limit_text(objective_s)}",
        (0, objective_s),
        xycoords=axes.get_yaxis_transform(),
        xytext=(4, 5),
        textcoords="offset points",
        fontsize=FONT_PX - 1,
        color=LIGHT["failed"],
        zorder=5,
    )


def _unmeasured_s(axes: Axes) -> float:
    """The height of what has no duration, below all others."""
    return 1.6 * axes.get_ylim()[0]


def _marker(each: Occasion, axes: Axes | None, size_px: float, artist: str | None = None) -> Line2D:
    colour, surface = LIGHT[each.verdict.role], LIGHT["surface"]
    hollow = each.verdict.role == _HOLLOW
    return Line2D(
        *_place(each, axes),
        linestyle="none",
        marker=_MARKERS[each.verdict.role],
        markersize=size_px - 1 if hollow else size_px,
        markerfacecolor=surface if hollow else colour,
        markeredgecolor=colour if hollow else surface,
        markeredgewidth=1.8 if hollow else 0.8,
        clip_on=False,
        gid=artist,
        zorder=4,
        label=each.verdict.word,
    )


def _ring(each: Occasion, axes: Axes | None, size_px: float, label: str = "") -> Line2D:
    return Line2D(
        *_place(each, axes),
        linestyle="none",
        marker="o",
        markersize=size_px,
        markerfacecolor="none",
        markeredgecolor=LIGHT["ink"],
        markeredgewidth=1.5,
        clip_on=False,
        zorder=5,
        label=label,
    )


def _place(each: Occasion, axes: Axes | None) -> tuple[list[float], list[float]]:
    """Where it stands; nowhere for a legend."""
    if axes is None:
        return [], []
    return [days(each.at)], [each.height_s or _unmeasured_s(axes)]


def _description(occasions: Sequence[Occasion], objective_s: float) -> str:
    text = f"{count_text(len(occasions), 'drill')}, objective {limit_text(objective_s)}."
    times = [each.duration_s for each in occasions if each.duration_s is not None]
    if not times:
        return f"{text} None has a recovery time."
    return (
        f"{text} Recovery time between {duration_text(min(times))} and"
        f" {duration_text(max(times))}. The table below has the newest ones."
    )
