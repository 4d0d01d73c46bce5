"""A chart as data: shapes on two axes, which a macro of `parts.html.j2` draws at any width, in the
colours of the page. Pure; values are in the axes' units."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from onyx_pipelines.reporting.ticks import Tick, log_percent, number_ticks, percent

Point = tuple[float, float]
# How a path is drawn; report.css has a class for each.
Kind = Literal["line", "dashed", "dotted", "dots", "area", "band"]
_MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`; what lies outside stands at the end."""

    low: float
    high: float
    ticks: Sequence[Tick] = ()
    is_log: bool = False

    def place(self, value: float) -> float:
        """In percent."""
        return (log_percent if self.is_log else percent)(value, self.low, self.high)


def from_zero(high: float) -> Axis:
    """With round numbers at its ticks."""
    end = high if math.isfinite(high) and high > 0 else 1.0
    return Axis(0.0, end, number_ticks(end, most=_MOST_TICKS))


@dataclass(frozen=True)
class Shape:
    """What one path draws, in which role's colour. `name`: in the key; "" is not named."""

    kind: Kind
    role: str
    points: Sequence[Point]
    name: str = ""


@dataclass(frozen=True)
class Plot:
    """Shapes over each other, the first one lowest.

    Args:
        about: what is drawn by what, for whoever reads it and for whoever cannot see it.
        right: a second scale, at the right; shapes are on `y` all the same.
    """

    title: str
    about: str
    x: Axis
    y: Axis
    shapes: Sequence[Shape]
    right: Axis | None = None

    @property
    def key(self) -> list[tuple[str, str]]:
        """Role and name of what has a name."""
        return [(each.role, each.name) for each in self.shapes if each.name]

    def path(self, shape: Shape) -> str:
        """SVG in a box of 100 by 100. A point that is no number breaks a line."""
        places = [
            f"{self.x.place(x):.2f} {100 - self.y.place(y):.2f}"
            if math.isfinite(x) and math.isfinite(y)
            else ""
            for x, y in shape.points
        ]
        if shape.kind == "dots":
            return "".join(f"M{place}h0" for place in places if place)
        pens = "".join(
            f"{'L' if before else 'M'}{place}" for before, place in pairwise(["", *places]) if place
        )
        return pens if shape.kind not in ("area", "band") else f"{pens}Z"


def upright(x: float, y: Axis, role: str, name: str, *, kind: Kind = "line") -> Shape:
    """A line from bottom to top."""
    return Shape(kind, role, [(x, y.low), (x, y.high)], name)


def level(y: float, x: Axis, role: str, name: str = "", *, kind: Kind = "dashed") -> Shape:
    """A line from left to right."""
    return Shape(kind, role, [(x.low, y), (x.high, y)], name)


def box(left: float, right: float, low: float, high: float) -> list[Point]:
    """The corners of a bar or of a range, for an area."""
    return [(left, low), (left, high), (right, high), (right, low)]


def between(xs: Iterable[float], low: Iterable[float], high: Iterable[float]) -> list[Point]:
    """The outline of what lies between two lines, for a band."""
    upwards = list(zip(xs, low, high, strict=True))
    return [(x, y) for x, y, _ in upwards] + [(x, y) for x, _, y in reversed(upwards)]


def picture(plots: Sequence[Plot]) -> str:
    """Of plots with one key, side by side: the address of an image, for where no page is drawn."""
    from onyx_pipelines.reporting.pages import template

    svg = template("plots.svg").render(plots=plots)
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
