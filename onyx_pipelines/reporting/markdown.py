"""Markdown whose text is shown as it is, whatever characters it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from onyx_pipelines.core.text import printable

_SPECIAL = {ord(char): f"&#{ord(char)};" for char in "&<>|`*[]\\~$#!^="}
_SAFE_CODE = re.compile(r"[\w .,:;/@=+(){}'\"%?*#-]*[\w.,:;/@=+(){}'\"%?*#-]")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(plain: str) -> str:
    """Any text on one line, as Markdown that shows it as it is."""
    escaped = printable(plain).translate(_SPECIAL).replace("_", "\\_")
    # An address would become a link.
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;")


def code(plain: str) -> str:
    """Any text in a code span, or as text where its characters could end or leave the span."""
    name = printable(plain)
    if not name.strip():
        return text(plain)
    return f"`{name}`" if _SAFE_CODE.fullmatch(name) and name[0] != " " else text(plain)
