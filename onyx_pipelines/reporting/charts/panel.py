"""Panels: what is drawn over a number, in layers. Each is drawn once and stands beside others on a
desk, below them on a phone; the page arranges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from onyx_pipelines.reporting.charts.canvas import FONT_PX, Drawing, add_axes, new_figure
from onyx_pipelines.reporting.charts.ticks import Tick
from onyx_pipelines.reporting.palette import LIGHT

Numbers = Sequence[float] | npt.NDArray[Any]

WIDTH_PX: Final = 340.0
HEIGHT_PX: Final = 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 14.0, 32.0, 44.0
_KEY_ROW_PX: Final = 20.0
_KEY_COLUMNS: Final = 3
_HATCH: Final = "///"


class Layer(Protocol):
    """Something that is drawn on axes; colours are roles of the palette."""

    def draw(self, axes: Axes) -> None: ...


@dataclass(frozen=True)
class Line:
    xs: Numbers
    ys: Numbers
    role: str
    label: str | None = None
    width: float = 1.6
    style: str = "-"

    def draw(self, axes: Axes) -> None:
        axes.plot(
            self.xs,
            self.ys,
            color=LIGHT[self.role],
            label=self.label,
            linewidth=self.width,
            linestyle=self.style,
        )


@dataclass(frozen=True)
class Dots:
    xs: Numbers
    ys: Numbers
    role: str
    label: str | None = None
    marker: str = "o"
    size: float = 6.0
    opacity: float = 1.0

    def draw(self, axes: Axes) -> None:
        axes.plot(
            self.xs,
            self.ys,
            linestyle="none",
            marker=self.marker,
            markersize=self.size,
            markeredgewidth=None if self.marker == "|" else 0,
            color=LIGHT[self.role],
            alpha=self.opacity,
            label=self.label,
            zorder=3,
        )


@dataclass(frozen=True)
class Band:
    """Between two lines."""

    xs: Numbers
    low: Numbers
    high: Numbers
    role: str

    def draw(self, axes: Axes) -> None:
        colour = LIGHT[self.role]
        axes.fill_between(self.xs, self.low, self.high, color=colour, alpha=0.22, linewidth=0)


@dataclass(frozen=True)
class Span:
    """From here to there, at any height."""

    low: float
    high: float

    def draw(self, axes: Axes) -> None:
        axes.axvspan(self.low, self.high, color=LIGHT["band"], zorder=0)


@dataclass(frozen=True)
class Bars:
    """At 0, 1, 2, …, upon each other."""

    bottoms: Sequence[float]
    heights: Sequence[float]
    role: str
    hatched: bool = False

    def draw(self, axes: Axes) -> None:
        axes.bar(
            range(len(self.heights)),
            self.heights,
            bottom=self.bottoms,
            width=0.72,
            color=LIGHT[self.role],
            hatch=_HATCH if self.hatched else None,
            edgecolor=LIGHT["surface"],
            linewidth=0.5,
        )


@dataclass(frozen=True)
class Upright:
    """A line from bottom to top, with words beside it, `drop_px` below the top."""

    x: float
    role: str
    text: str
    style: str = "-"
    drop_px: float = 10.0

    def draw(self, axes: Axes) -> None:
        axes.axvline(self.x, color=LIGHT[self.role], linewidth=1.1, linestyle=self.style)
        axes.annotate(
            self.text,
            (self.x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -self.drop_px),
            textcoords="offset points",
            fontsize=FONT_PX - 1.5,
            color=LIGHT[self.role],
        )


@dataclass(frozen=True)
class Level:
    """A line from left to right; with words upon it, or with only those, at the top."""

    y: float | None
    role: str
    text: str = ""
    style: str = "--"

    def draw(self, axes: Axes) -> None:
        if self.y is not None:
            axes.axhline(self.y, color=LIGHT[self.role], linewidth=1.1, linestyle=self.style)
        axes.annotate(
            self.text,
            (0.02, 0.96 if self.y is None else self.y),
            xycoords="axes fraction" if self.y is None else ("axes fraction", "data"),
            xytext=(0, -6 if self.y is None else 3),
            textcoords="offset points",
            fontsize=FONT_PX - 1.5,
            color=LIGHT[self.role],
        )


@dataclass(frozen=True)
class Panel:
    """One chart. `right`: a line with an axis of its own, in steps. Limits: else as the data."""

    title: str
    x_label: str
    y_label: str
    layers: Sequence[Layer]
    right: Line | None = None
    x_ticks: Sequence[Tick] | None = None
    x_limits: tuple[float, float] | None = None
    top: float | None = None
    is_log: bool = False


def panel_drawing(panel: Panel, *, width_px: float) -> Drawing:
    figure = new_figure(width_px, HEIGHT_PX)
    _draw(panel, figure, 0, width_px)
    description = f"{panel.y_label} by {panel.x_label}"
    return Drawing(figure, panel.title, description)


def row_of_panels(
    panels: Sequence[Panel], key: Sequence[tuple[str, str]], *, width_px: float
) -> Drawing:
    """At least one, side by side in one picture, with a key of (role, name) below."""
    key_px = _KEY_ROW_PX * -(-len(key) // _KEY_COLUMNS) + 8
    figure = new_figure(width_px, HEIGHT_PX + key_px)
    each_px = width_px / len(panels)
    for at, panel in enumerate(panels):
        _draw(panel, figure, at * each_px, each_px)
    patches = [Patch(facecolor=LIGHT[role], label=name) for role, name in key]
    found = figure.legend(
        handles=patches, loc="lower center", ncols=_KEY_COLUMNS, frameon=False, fontsize=FONT_PX - 1
    )
    for text in found.get_texts():
        # A name is no formula, even where it has dollar signs; the font lacks most characters.
        text.set_parse_math(False)
        text.set_text(text.get_text().encode("ascii", "replace").decode())
        text.set_color(LIGHT["ink"])
    return Drawing(figure, "", "")


def _draw(panel: Panel, figure: Figure, left_px: float, width_px: float) -> None:
    axes = add_axes(
        figure,
        left_px + _LEFT,
        _TOP,
        width_px - _LEFT - (2 * _RIGHT if panel.right else _RIGHT),
        HEIGHT_PX - _TOP - _BOTTOM,
    )
    if panel.is_log:
        axes.set_xscale("log")
    for layer in panel.layers:
        layer.draw(axes)
    if panel.x_limits:
        axes.set_xlim(*panel.x_limits)
    axes.set_ylim(0, panel.top)
    if panel.x_ticks is not None:
        axes.set_xticks([t.value for t in panel.x_ticks], [t.text for t in panel.x_ticks])
    axes.minorticks_off()
    axes.set_title(panel.title, loc="left", fontsize=FONT_PX + 1, color=LIGHT["ink"], pad=10)
    axes.set_xlabel(panel.x_label, fontsize=FONT_PX - 0.5, color=LIGHT["muted"])
    axes.set_ylabel(panel.y_label, fontsize=FONT_PX - 0.5, color=LIGHT["muted"])
    if panel.right:
        _draw_right(panel.right, axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right",
            fontsize=FONT_PX - 1.5,
            facecolor=LIGHT["surface"],
            edgecolor=LIGHT["line"],
            labelcolor=LIGHT["ink"],
            framealpha=0.9,
        )


def _draw_right(line: Line, axes: Axes) -> None:
    other = axes.twinx()
    other.plot(
        line.xs, line.ys, color=LIGHT[line.role], linewidth=line.width, drawstyle="steps-post"
    )
    other.set_ylim(bottom=0)
    other.spines[:].set_visible(False)
    other.tick_params(labelcolor=LIGHT[line.role], labelsize=FONT_PX - 1.5, length=0, pad=3)
