"""Words on a chart, each where it hides the least of what is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from onyx_pipelines.reporting.charts.canvas import FONT_PX
from onyx_pipelines.reporting.palette import LIGHT


@dataclass(frozen=True)
class Spot:
    """A place in the label's coordinates, and how far beside it in pixels words begin or end."""

    at: tuple[float, float]
    beside_px: tuple[float, float]
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Label:
    """Words about a line, and the spots that they may stand at, the best first."""

    text: str
    role: str
    within: tuple[str, str]
    spots: tuple[Spot, ...]
    line: Line2D | None = None


def upright(axes: Axes, x: float, role: str, text: str, *, style: str = "-") -> Label:
    """A line from bottom to top, with words beside it near the top."""
    line = axes.axvline(x, color=LIGHT[role], linewidth=1.1, linestyle=style)
    spots = (Spot((x, 1), (px, -drop_px), side) for drop_px in (4.0, 18.0) for px, side in _SIDES)
    return Label(text, role, ("data", "axes fraction"), tuple(spots), line)


def level(axes: Axes, y: float, role: str, text: str) -> Label:
    """A dashed line from left to right, with words over it or under it."""
    line = axes.axhline(y, color=LIGHT[role], linewidth=1.2, linestyle="--", zorder=2)
    spots = (
        Spot((at, y), (0, up_px), side)
        for up_px in (14.0, -3.0)
        for at, (_, side) in zip((0.01, 0.99), _SIDES, strict=True)
    )
    return Label(text, role, ("axes fraction", "data"), tuple(spots), line)


def note(role: str, text: str) -> Label:
    """Words in an upper corner."""
    spots = (
        Spot((at, 0.97), (0, 0), side) for at, (_, side) in zip((0.02, 0.98), _SIDES, strict=True)
    )
    return Label(text, role, ("axes fraction", "axes fraction"), tuple(spots))


_SIDES: tuple[tuple[float, Literal["left", "right"]], ...] = ((3.0, "left"), (-3.0, "right"))


def place(axes: Axes, labels: Iterable[Label]) -> None:
    """Write them into axes that have all else, and their limits."""
    for label in labels:
        boxes = [text.get_window_extent() for text in axes.texts]
        if (legend := axes.get_legend()) is not None:
            boxes.append(legend.get_window_extent())
        paths = [*_drawn(axes, label.line)]
        written = [_write(axes, label, spot) for spot in label.spots]
        best = min(written, key=lambda each: _hidden(axes, each.get_window_extent(), paths, boxes))
        for each in written:
            if each is not best:
                each.remove()


def _drawn(axes: Axes, but: Line2D | None) -> Iterator[Path]:
    """In pixels: lines, and the edges of bands."""
    for line in axes.lines:
        if line is not but:
            yield line.get_path().transformed(line.get_transform())
    for band in axes.collections:
        for path in band.get_paths():
            yield path.transformed(band.get_transform())


def _hidden(axes: Axes, box: Bbox, paths: Iterable[Path], boxes: Iterable[Bbox]) -> int:
    lines = sum(bool(path.intersects_bbox(box, filled=False)) for path in paths)
    others = sum(box.overlaps(each) for each in boxes)
    outside = bool(box.x1 > axes.bbox.x1 or box.x0 < axes.bbox.x0)
    return lines + 3 * others + 3 * outside


def _write(axes: Axes, label: Label, spot: Spot) -> Annotation:
    return axes.annotate(
        label.text,
        spot.at,
        xycoords=label.within,
        xytext=spot.beside_px,
        textcoords="offset points",
        horizontalalignment=spot.align,
        verticalalignment="top",
        fontsize=FONT_PX - 1.5,
        color=LIGHT[label.role],
        # Read where a line passes behind it.
        bbox={"facecolor": LIGHT["surface"], "alpha": 0.8, "linewidth": 0, "pad": 0.5},
        zorder=5,
    )
