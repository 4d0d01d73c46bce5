"""Durations over dates on a logarithmic scale, each with its verdict, against an objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from onyx_pipelines.core.text import count_text, duration_text, limit_text, moment_text
from onyx_pipelines.reporting.charts.canvas import FONT_PX, Drawing, add_axes, new_figure
from onyx_pipelines.reporting.charts.labels import level, place
from onyx_pipelines.reporting.charts.ticks import Tick, date_ticks, days, decade_ticks
from onyx_pipelines.reporting.palette import LIGHT, Badge

# Each verdict has a shape of its own; what is unknown is hollow.
_MARKERS = {"passed": "o", "failed": "X", "could-not-verify": "D"}
_HOLLOW = "could-not-verify"
_LEAST_S = 0.01
_NARROW_PX, _PLOT_PX, _KEY_ROW_PX = 600, 232, 20
_LEFT_PX, _RIGHT_PX, _BOTTOM_PX = 56, 20, 30


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


def durations_drawing(
    occasions: Sequence[Occasion], objective_s: float, *, width_px: float
) -> Drawing:
    """At least one of `occasions`, oldest first; a ring is around the last one.

    Twice as slow is the same step everywhere, so that seconds and an objective of an hour are both
    read off. What was not measured stands at the bottom.
    """
    columns = 4 if width_px > _NARROW_PX else 2
    top_px = 14 + _KEY_ROW_PX * 4 / columns
    figure = new_figure(width_px, _PLOT_PX + top_px + _BOTTOM_PX)
    axes = add_axes(figure, _LEFT_PX, top_px, width_px - _LEFT_PX - _RIGHT_PX, _PLOT_PX)
    measured = [(each.at, each.height_s) for each in occasions if each.height_s is not None]
    moments, heights = [days(at) for at, _ in measured], [height_s for _, height_s in measured]
    _draw_scales(axes, occasions, [objective_s, *heights], most_dates=int(width_px / 90))
    objective = level(axes, objective_s, "failed", f"objective {limit_text(objective_s)}")
    axes.plot(moments, heights, color=LIGHT["muted"], linewidth=1.2)
    px = 9.0 if len(occasions) <= 40 else 7.0
    for index, each in enumerate(occasions):
        at = days(each.at), each.height_s or _unmeasured_s(axes)
        axes.add_line(_marker(each.verdict, px, *at, artist=f"drill-{index}"))
    axes.add_line(_ring(16, *at))
    verdicts = {each.verdict.role: each.verdict for each in occasions}
    axes.legend(
        handles=[*(_marker(verdicts[v], 9) for v in _MARKERS if v in verdicts), _ring(11)],
        loc="lower left",
        bbox_to_anchor=(0, 1 + 8 / _PLOT_PX),
        borderaxespad=0,
        borderpad=0,
        ncols=columns,
        frameon=False,
        fontsize=FONT_PX,
        labelcolor=LIGHT["ink"],
        handletextpad=0.3,
        columnspacing=1.4,
    )
    place(axes, [objective])
    tooltips = {f"drill-{index}": each.tooltip for index, each in enumerate(occasions)}
    description = _description(occasions, objective_s)
    return Drawing(figure, "Recovery time over the drills", description, tooltips)


def _draw_scales(
    axes: Axes, occasions: Sequence[Occasion], heights: Sequence[float], *, most_dates: int
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
    dates = date_ticks(first - room, last, most=most_dates)
    if len(occasions) == 1:
        dates = [Tick(days(last), moment_text(last))]
    axes.set_xticks([tick.value for tick in dates], [tick.text for tick in dates])
    axes.minorticks_off()


def _unmeasured_s(axes: Axes) -> float:
    """The height of what has no duration, below all others."""
    return 1.6 * axes.get_ylim()[0]


def _marker(verdict: Badge, size_px: float, *at: float, artist: str | None = None) -> Line2D:
    """At its place; nowhere for a legend."""
    colour, surface = LIGHT[verdict.role], LIGHT["surface"]
    found = Line2D(at[:1], at[1:], marker=_MARKERS[verdict.role], gid=artist, zorder=4)
    found.set(linestyle="none", clip_on=False, label=verdict.word, markersize=size_px)
    found.set(markerfacecolor=colour, markeredgecolor=surface, markeredgewidth=0.8)
    if verdict.role == _HOLLOW:
        found.set(markerfacecolor=surface, markeredgecolor=colour, markeredgewidth=1.8)
    return found


def _ring(size_px: float, *at: float) -> Line2D:
    found = Line2D(at[:1], at[1:], marker="o", markersize=size_px, zorder=5)
    found.set(linestyle="none", clip_on=False, label="this drill", markerfacecolor="none")
    found.set(markeredgecolor=LIGHT["ink"], markeredgewidth=1.5)
    return found


def _description(occasions: Sequence[Occasion], objective_s: float) -> str:
    text = f"{count_text(len(occasions), 'drill')}, objective {limit_text(objective_s)}."
    times = [each.duration_s for each in occasions if each.duration_s is not None]
    if not times:
        return f"{text} None has a recovery time."
    return (
        f"{text} Recovery time between {duration_text(min(times))} and"
        f" {duration_text(max(times))}. The table below has the newest ones."
    )
