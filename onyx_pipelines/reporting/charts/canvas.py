"""From a matplotlib figure to SVG that lives inside a page, and to PNG.

No pyplot, no state left behind. The SVG has no colours of its own: it takes those of the page, so
one chart serves a light screen, a dark one and paper.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onyx_pipelines.reporting.palette import LIGHT

FONT_PX = 11.5
# A chart over the whole page is drawn once for a desk and once for a phone.
WIDTHS_PX = {"wide": 1000.0, "narrow": 340.0}
_FONT = "DejaVu Sans"  # comes with matplotlib
_POINTS_PER_INCH = 72
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_REFERENCE = re.compile(r"url\(#")
_COLOUR = re.compile("|".join(LIGHT.values()))
_VARIABLES = {colour: f"var(--{role})" for role, colour in LIGHT.items()}
# matplotlib reads a few settings from a global table only, while it draws.
_drawing = threading.Lock()


@dataclass(frozen=True)
class Drawing:
    """A figure, and what its SVG says to who cannot see it.

    Args:
        tooltips: what an artist means, by its id.
    """

    figure: Figure
    title: str
    description: str
    tooltips: Mapping[str, str] = field(default_factory=dict)


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
    root = ElementTree.fromstring(target.getvalue())  # noqa: S314  (matplotlib wrote it a moment ago)
    _embed(root, chart_id)
    _name(root, chart_id, drawing)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704  (escaped by ElementTree)


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


def _embed(root: ElementTree.Element, chart_id: str) -> None:
    """Ids that are unique in the page, the page's font and colours, and no size but the page's."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        attributes = element.attrib
        if own_id := attributes.get("id"):
            attributes["id"] = f"{chart_id}-{own_id}"
        if href := attributes.pop(_XLINK_HREF, None):
            attributes["href"] = f"#{chart_id}-{href.removeprefix('#')}"
        for name in ("clip-path", "mask"):
            if name in attributes:
                attributes[name] = _REFERENCE.sub(f"url(#{chart_id}-", attributes[name])
        if style := _style(attributes, chart_id):
            attributes["style"] = style
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    # matplotlib's first `<defs>` holds a style sheet, which would style the whole page.
    style_sheets = [defs for defs in root.findall("defs") if defs.find("style") is not None]
    for child in [*root.findall("metadata"), *style_sheets]:
        root.remove(child)


def _style(attributes: dict[str, str], chart_id: str) -> str:
    """Its style, with the paint attributes: a variable works in a style, not surely in those."""
    paints = [
        f"{name}: {attributes.pop(name)}" for name in ("fill", "stroke") if name in attributes
    ]
    style = "; ".join([*paints, attributes.pop("style", "")]).strip("; ")
    style = _REFERENCE.sub(f"url(#{chart_id}-", _FONT_FAMILY.sub("", style))
    return _COLOUR.sub(lambda match: _VARIABLES[match[0]], style)


def _name(root: ElementTree.Element, chart_id: str, drawing: Drawing) -> None:
    groups = {element.get("id"): element for element in root.iter("g")}
    for artist, tooltip in drawing.tooltips.items():
        _insert(groups[f"{chart_id}-{artist}"], "title", tooltip)
    _insert(root, "desc", drawing.description, element_id=f"{chart_id}-desc")
    _insert(root, "title", drawing.title, element_id=f"{chart_id}-title")
    root.set("role", "img")
    root.set("aria-labelledby", f"{chart_id}-title {chart_id}-desc")


def _insert(parent: ElementTree.Element, tag: str, text: str, *, element_id: str = "") -> None:
    child = ElementTree.Element(tag, {"id": element_id} if element_id else {})
    child.text = text
    parent.insert(0, child)
