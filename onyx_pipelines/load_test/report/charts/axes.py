"""The plain axes that all charts share; one unit of length is a pixel of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onyx_pipelines.page.canvas import Layout, drawable, new_figure
from onyx_pipelines.page.palette import LIGHT

SERIES = tuple(LIGHT[f"series-{number}"] for number in range(1, 9))
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 16.0, 34.0, 44.0
_CHARACTER_PX = 6.4
_LONGEST_NAME, _LONGEST_NARROW = 34, 28


def grid_of_axes(
    layout: Layout, count: int, *, height: float = 270.0, most_columns: int = 3, left: float = _LEFT
) -> tuple[Figure, list[Axes]]:
    """Small multiples: side by side on a desk, one below the other on a phone."""
    columns = 1 if layout.narrow else min(count, most_columns)
    rows = -(-count // columns)
    figure = new_figure(layout.width_px, rows * height)
    width = layout.width_px / columns
    found = []
    for at in range(count):
        row, column = divmod(at, columns)
        axes = figure.add_axes(
            (
                (column * width + left) / layout.width_px,
                1 - ((row + 1) * height - _BOTTOM) / (rows * height),
                (width - left - _RIGHT) / layout.width_px,
                (height - _TOP - _BOTTOM) / (rows * height),
            )
        )
        dress(axes, layout)
        found.append(axes)
    return figure, found


def add_below(figure: Figure, height: float) -> None:
    """Make room under what is drawn, which stays as large as it is."""
    width, before = figure.get_size_inches() * figure.dpi
    share = before / (before + height)
    figure.set_size_inches(width / figure.dpi, (before + height) / figure.dpi)
    for axes in figure.axes:
        left, bottom, wide, high = axes.get_position().bounds
        axes.set_position((left, 1 - share + bottom * share, wide, high * share))


def dress(axes: Axes, layout: Layout) -> None:
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LIGHT["line"])
    axes.tick_params(colors=LIGHT["muted"], labelsize=layout.font_px - 1, length=3)
    axes.grid(visible=True, axis="y", color=LIGHT["line"], linewidth=0.7)


def label(axes: Axes, layout: Layout, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=layout.font_px + 1, color=LIGHT["ink"], pad=10)
    axes.set_xlabel(x, fontsize=layout.font_px - 0.5, color=LIGHT["muted"])
    axes.set_ylabel(y, fontsize=layout.font_px - 0.5, color=LIGHT["muted"])


def legend(
    axes: Axes, layout: Layout, *, place: Literal["upper left", "lower right"] = "upper left"
) -> None:
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            loc=place,
            fontsize=layout.font_px - 1.5,
            frameon=True,
            facecolor=LIGHT["surface"],
            edgecolor=LIGHT["line"],
            labelcolor=LIGHT["ink"],
            framealpha=0.9,
        )


def shown_names(names: Sequence[str], layout: Layout) -> list[str]:
    """Names beside a chart: the font's characters only, cut where there is no room."""
    longest = _LONGEST_NARROW if layout.narrow else _LONGEST_NAME
    fitting = (name if len(name) <= longest else f"{name[: longest - 1]}…" for name in names)
    return [drawable(name) for name in fitting]


def room_for(names: Sequence[str]) -> float:
    """Pixels left of a chart that has these names there."""
    return max(_LEFT, 16.0 + _CHARACTER_PX * max(map(len, names), default=0))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """A name is no formula, even where it has dollar signs."""
    axes.set_yticks(range(len(names)), names, parse_math=False)


def user_ticks(axes: Axes, users: Sequence[int]) -> None:
    """Those that were run, but none that would run into the one before."""
    kept: list[int] = []
    span = max(users) or 1
    for number in sorted(set(users)):
        if not kept or (number - kept[-1]) / span > 0.06:
            kept.append(number)
    axes.set_xticks(kept, [str(number) for number in kept])
