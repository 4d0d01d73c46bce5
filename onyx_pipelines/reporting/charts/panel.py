"""Panels: small charts over a number. Each is drawn once and stands beside others on a desk, below
them on a phone; the page arranges them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from onyx_pipelines.reporting.charts.canvas import (
    FONT_PX,
    WIDTHS_PX,
    Drawing,
    add_axes,
    new_figure,
)
from onyx_pipelines.reporting.charts.labels import Label, place
from onyx_pipelines.reporting.palette import LIGHT

WIDTH_PX: Final = WIDTHS_PX["narrow"]
HEIGHT_PX: Final = 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 14.0, 32.0, 44.0
_KEY_ROW_PX: Final = 20.0
_KEY_COLUMNS: Final = 3


@dataclass(frozen=True)
class Panel:
    """What is written around a chart, and what fills its axes and says how its lines are called.
    `room_px`: at its right."""

    title: str
    x_label: str
    y_label: str
    fill: Callable[[Axes], Sequence[Label]]
    room_px: float = 0.0


def legend(axes: Axes) -> None:
    """Names of what is drawn, in the lower right corner."""
    axes.legend(
        loc="lower right",
        fontsize=FONT_PX - 1.5,
        facecolor=LIGHT["surface"],
        edgecolor=LIGHT["line"],
        labelcolor=LIGHT["ink"],
        framealpha=0.9,
    )


def panel_drawing(panel: Panel, *, width_px: float) -> Drawing:
    """One panel alone, with a text for whoever cannot see it."""
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
    across_px = width_px - _LEFT - _RIGHT - panel.room_px
    axes = add_axes(figure, left_px + _LEFT, _TOP, across_px, HEIGHT_PX - _TOP - _BOTTOM)
    place(axes, panel.fill(axes))
    axes.minorticks_off()
    axes.set_title(panel.title, loc="left", fontsize=FONT_PX + 1, color=LIGHT["ink"], pad=10)
    axes.set_xlabel(panel.x_label, fontsize=FONT_PX - 0.5, color=LIGHT["muted"])
    axes.set_ylabel(panel.y_label, fontsize=FONT_PX - 0.5, color=LIGHT["muted"])
