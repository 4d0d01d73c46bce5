"""From a matplotlib figure to SVG that lives inside a page, and to PNG.

No pyplot, no state left behind. The SVG has no colours of its own: it takes those of the page, so
one chart serves a light screen, a dark one and paper.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onyx_pipelines.reporting.palette import LIGHT

FONT_PX = 11.5
# A chart over the whole page is drawn once for a desk and once for a phone.
WIDTHS_PX = {"wide": 1000.0, "narrow": 340.0}
_FONT = "DejaVu Sans"  # comes with matplotlib
_POINTS_PER_INCH = 72
# matplotlib's first `<defs>` holds a style sheet, which would style the whole page.
_NOT_FOR_PAGES = re.compile(
    r"<metadata>.*?</metadata>|<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>", re.DOTALL
)
_FONT_FAMILY = re.compile(r"font-family:[^;\"]*;?\s*")
_REFERENCE = re.compile(r'\bid="|url\(#|xlink:(href="#)')
_COLOUR = re.compile("|".join(LIGHT.values()))
_VARIABLES = {colour: f"var(--{role})" for role, colour in LIGHT.items()}
# matplotlib reads a few settings from a global table only, while it draws.
_drawing = threading.Lock()


@dataclass(frozen=True)
class Drawing:
    """A figure, and what its SVG says to who cannot see it."""

    figure: Figure
    title: str
    description: str


def new_figure(width_px: float, height_px: float) -> Figure:
    """A figure whose unit of length, the point, is one CSS pixel."""
    size = (width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH)
    with _settings(""):
        return Figure(figsize=size, dpi=_POINTS_PER_INCH, facecolor="none")


def add_axes(
    figure: Figure, left_px: float, top_px: float, width_px: float, height_px: float
) -> Axes:
    """Plain axes, measured in pixels from the upper left corner."""
    across, down = figure.get_size_inches() * figure.dpi
    axes = figure.add_axes(
        (
            left_px / across,
            1 - (top_px + height_px) / down,
            width_px / across,
            height_px / down,
        )
    )
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LIGHT["line"])
    axes.tick_params(
        length=0, pad=5, color=LIGHT["line"], labelcolor=LIGHT["muted"], labelsize=FONT_PX - 1
    )
    axes.grid(visible=True, axis="y", color=LIGHT["line"], linewidth=0.7)
    return axes


def to_svg(drawing: Drawing, chart_id: str) -> Markup:
    """An `<svg>` element for a page. Its ids begin with `chart_id`; same drawing, same bytes."""
    target = io.BytesIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _settings(chart_id):
        drawing.figure.savefig(target, format="svg", facecolor="none", metadata=no_metadata)
    return Markup(_embedded(target.getvalue().decode(), chart_id, drawing))  # noqa: S704  (matplotlib escaped what it wrote, and the rest is here)


def to_png(drawing: Drawing) -> bytes:
    """One pixel per CSS pixel, in the light colours."""
    target = io.BytesIO()
    with _settings(""):
        drawing.figure.savefig(
            target, format="png", facecolor=LIGHT["surface"], metadata={"Software": None}
        )
    return target.getvalue()


@contextmanager
def _settings(salt: str) -> Iterator[None]:
    with (
        _drawing,
        matplotlib.rc_context(
            {
                "svg.hashsalt": salt or "onyx",
                "svg.fonttype": "none",
                "font.family": [_FONT],
                "hatch.linewidth": 0.9,
            }
        ),
    ):
        yield


def _embedded(svg: str, chart_id: str, drawing: Drawing) -> str:
    """Ids that are unique in the page, the page's font and colours, and no size but the page's."""
    opening, _, body = svg[svg.index("<svg") :].partition(">")
    body = _FONT_FAMILY.sub("", _NOT_FOR_PAGES.sub("", body))
    body = _REFERENCE.sub(lambda found: f"{found[1] or found[0]}{chart_id}-", body)
    body = _COLOUR.sub(lambda found: _VARIABLES[found[0]], body)
    box = re.search(r'viewBox="[^"]*"', opening)
    return (
        f'<svg {box[0] if box else ""} role="img"'
        f' aria-labelledby="{chart_id}-title {chart_id}-desc"'
        ' style="stroke-linejoin: round; stroke-linecap: butt">'
        f'<title id="{chart_id}-title">{escape(drawing.title)}</title>'
        f'<desc id="{chart_id}-desc">{escape(drawing.description)}</desc>{body}'
    )
