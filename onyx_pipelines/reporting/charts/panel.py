"""Panels: small charts over a number. Each is drawn once and stands beside others on a desk, below
them on a phone; the page arranges them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from onyx_pipelines.reporting.charts.canvas import (
    FONT_PX,
    WIDTHS_PX,
    Drawing,
    add_axes,
    new_figure,
    to_svg,
)
from onyx_pipelines.reporting.palette import LIGHT

# Role and name.
Key: TypeAlias = Sequence[tuple[str, str]]
WIDTH_PX: Final = WIDTHS_PX["narrow"]
HEIGHT_PX: Final = 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 14.0, 32.0, 44.0
_KEY_ROW_PX: Final = 20.0
_KEY_COLUMNS: Final = 3


@dataclass(frozen=True)
class Panel:
    """What is written around a chart, and what fills its axes and names what it drew. `room_px`: at
    its right."""

    title: str
    x_label: str
    y_label: str
    fill: Callable[[Axes], Key]
    room_px: float = 0.0


@dataclass(frozen=True)
class Chart:
    """A drawn panel, and the names of what is in it: words beside it hide nothing."""

    svg: Markup
    key: Key


def drawn(panels: Sequence[Panel], name: str, *, width_px: float = WIDTH_PX) -> list[Chart]:
    """Each panel alone, with a text for whoever cannot see it. `name`: of all of them, as an id."""
    charts = []
    for number, panel in enumerate(panels):
        figure = new_figure(width_px, HEIGHT_PX)
        key = _draw(panel, figure, 0, width_px)
        about = f"{panel.y_label} by {panel.x_label}"
        charts.append(Chart(to_svg(Drawing(figure, panel.title, about), f"{name}-{number}"), key))
    return charts


def row_of_panels(panels: Sequence[Panel], key: Key, *, width_px: float) -> Drawing:
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


def _draw(panel: Panel, figure: Figure, left_px: float, width_px: float) -> Key:
    across_px = width_px - _LEFT - _RIGHT - panel.room_px
    axes = add_axes(figure, left_px + _LEFT, _TOP, across_px, HEIGHT_PX - _TOP - _BOTTOM)
    key = panel.fill(axes)
    axes.minorticks_off()
    axes.set_title(panel.title, loc="left", fontsize=FONT_PX + 1, color=LIGHT["ink"], pad=10)
    axes.set_xlabel(panel.x_label, fontsize=FONT_PX - 0.5, color=LIGHT["muted"])
    axes.set_ylabel(panel.y_label, fontsize=FONT_PX - 0.5, color=LIGHT["muted"])
    return key
