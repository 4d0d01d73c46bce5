"""Markdown whose text is shown as it is, whatever characters it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from onyx_pipelines.core.text import number_text, printable
from onyx_pipelines.reporting.tables import Cell, Table, as_cell

_SPECIAL = {ord(char): f"&#{ord(char)};" for char in "&<>|`*[]\\~$#!^="}
_SAFE_CODE = re.compile(r"[\w .,:;/@=+(){}'\"%?*#-]*[\w.,:;/@=+(){}'\"%?*#-]")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table_markdown(shown: Table, *, most: int | None = None) -> str:
    """The same table as in the page, with the group in a column; of `most` rows at most."""
    headings = [*([shown.group] if shown.group else []), *(name for name, _ in shown.columns)]
    rows = [
        [
            *([text(title)] if shown.group else []),
            *(
                _cell(as_cell(each), kind)
                for each, (_, kind) in zip(row, shown.columns, strict=True)
            ),
        ]
        for title, group in shown.groups
        for row in group
    ]
    written = table(headings, rows[:most])
    rest = 0 if most is None else len(rows) - most
    return f"{written}\n\n{number_text(rest)} more are in the report." if rest > 0 else written


def _cell(cell: Cell, kind: str) -> str:
    words = code(cell.text) if "mono" in kind.split() else text(cell.text)
    notes = f"({text('; '.join(cell.notes))})" if cell.notes else ""
    return " ".join(filter(None, [str(cell.badge or ""), words, notes]))


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
