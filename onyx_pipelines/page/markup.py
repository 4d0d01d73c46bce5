"""HTML elements whose text is escaped unless it is markup already.

`Html` is the only way past the escaping, so a name can become an element nowhere by mistake.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from onyx_pipelines.reporting.text import printable

_VOID = frozenset({"meta", "link", "br"})


class Html(str):
    """Markup. Plain `str` is text."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str) -> Html:
    """`<tag …>children</tag>`. Attribute names: `class_` is class, `data_label` is data-label."""
    names = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    opening = "".join(f' {name}="{html.escape(printable(value))}"' for name, value in names)
    if tag in _VOID:
        return Html(f"<{tag}{opening}>")
    return Html(f"<{tag}{opening}>{joined(children)}</{tag}>")


def joined(children: Iterable[str]) -> Html:
    return Html("".join(_markup(child) for child in children))


def _markup(child: str) -> str:
    return child if isinstance(child, Html) else html.escape(printable(child))
