"""From a matplotlib figure to SVG that lives inside a page, and to PNG.

No pyplot, no state left behind. The SVG has no colours of its own: it takes those of the page, so
one chart serves a light screen, a dark one and paper.
"""

from __future__ import annotations

import functools
import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from onyx_pipelines.page.markup import Html
from onyx_pipelines.page.palette import LIGHT, variable

FONT = "DejaVu Sans"  # comes with matplotlib
PNG_SCALE = 2
_POINTS_PER_INCH = 72
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_REFERENCE = re.compile(r"url\(#")
_COLOUR = re.compile("|".join(LIGHT.values()))
_ROLES = {colour: role for role, colour in LIGHT.items()}
# matplotlib reads a few settings from a global table only, while it draws.
_drawing = threading.Lock()


@dataclass(frozen=True)
class Layout:
    """A width in CSS pixels. A narrow chart puts names above bars, not beside them."""

    name: str
    width_px: int
    narrow: bool
    font_px: float


WIDE = Layout("wide", 1000, narrow=False, font_px=12)
NARROW = Layout("narrow", 360, narrow=True, font_px=11.5)


@dataclass(frozen=True)
class Drawing:
    """A figure, and what its SVG says beyond what is drawn, by the id of an artist.

    Args:
        tooltips: what an artist means, for a pointer and a screen reader.
        texts: what a text really says: characters that the font lacks were replaced in the figure,
            but a browser has them.
    """

    figure: Figure
    title: str
    description: str
    tooltips: Mapping[str, str]
    texts: Mapping[str, str]


def new_figure(width_px: float, height_px: float) -> Figure:
    """A figure whose unit of length, the point, is one CSS pixel."""
    size = (width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH)
    with _settings(""):
        return Figure(figsize=size, dpi=_POINTS_PER_INCH, facecolor="none")


def drawable(text: str) -> str:
    """`text` with a box instead of each character that the font lacks (which warns)."""
    glyphs = _glyphs()
    return "".join(char if ord(char) in glyphs else "\N{REPLACEMENT CHARACTER}" for char in text)


def to_svg(drawing: Drawing, chart_id: str) -> Html:
    """An `<svg>` element for a page. Its ids begin with `chart_id`; same drawing, same bytes."""
    target = io.BytesIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _settings(chart_id):
        drawing.figure.savefig(target, format="svg", facecolor="none", metadata=no_metadata)
    root = ElementTree.fromstring(target.getvalue())  # noqa: S314  (matplotlib wrote it a moment ago)
    _embed(root, chart_id)
    _name(root, chart_id, drawing)
    return Html(ElementTree.tostring(root, encoding="unicode"))


def to_png(drawing: Drawing, *, scale: int = PNG_SCALE) -> bytes:
    """`scale`: pixels of the picture per CSS pixel."""
    target = io.BytesIO()
    with _settings(""):
        drawing.figure.savefig(
            target,
            format="png",
            dpi=_POINTS_PER_INCH * scale,
            facecolor=LIGHT["surface"],
            metadata={"Software": None},
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
                "font.family": [FONT],
                "hatch.linewidth": 0.9,
            }
        ),
    ):
        yield


@functools.cache
def _glyphs() -> frozenset[int]:
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    plain, bold = (
        FT2Font(str(fonts / name)).get_charmap()
        for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    )
    return frozenset(plain) & frozenset(bold)


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
    for child in [*root.findall("metadata"), *_style_sheets(root)]:
        root.remove(child)


def _style(attributes: dict[str, str], chart_id: str) -> str:
    """Its style, with the paint attributes: a variable works in a style, not surely in those."""
    paints = [
        f"{name}: {attributes.pop(name)}" for name in ("fill", "stroke") if name in attributes
    ]
    style = "; ".join([*paints, attributes.pop("style", "")]).strip("; ")
    style = _REFERENCE.sub(f"url(#{chart_id}-", _FONT_FAMILY.sub("", style))
    return _COLOUR.sub(lambda match: f"var({variable(_ROLES[match[0]])})", style)


def _style_sheets(root: ElementTree.Element) -> list[ElementTree.Element]:
    """matplotlib's first `<defs>` holds a style sheet, which would style the whole page."""
    return [defs for defs in root.findall("defs") if defs.find("style") is not None]


def _name(root: ElementTree.Element, chart_id: str, drawing: Drawing) -> None:
    groups = {element.get("id"): element for element in root.iter("g")}
    for artist, tooltip in drawing.tooltips.items():
        _insert(groups[f"{chart_id}-{artist}"], "title", tooltip)
    for artist, text in drawing.texts.items():
        next(groups[f"{chart_id}-{artist}"].iter("text")).text = text
    _insert(root, "desc", drawing.description, element_id=f"{chart_id}-desc")
    _insert(root, "title", drawing.title, element_id=f"{chart_id}-title")
    root.set("role", "img")
    root.set("aria-labelledby", f"{chart_id}-title {chart_id}-desc")


def _insert(parent: ElementTree.Element, tag: str, text: str, *, element_id: str = "") -> None:
    child = ElementTree.Element(tag, {"id": element_id} if element_id else {})
    child.text = text
    parent.insert(0, child)
