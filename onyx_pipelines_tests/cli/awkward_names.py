"""Names that a stranger may give to a file, a table, a host: what formats, what moves the cursor,
what no encoding has. And what a terminal may be sent of them."""

from __future__ import annotations

import os

from hypothesis import strategies as st

AWKWARD = (
    "[/srv/files]",
    "pages/[id].tsx",
    "[red]x[/red]",
    "[bold",
    "\\[x]",
    "[link=http://x]y[/link]",
    ":smile: :warning:",
    "a\nerror: all is well",
    "a\r\x1b[2K\x1b[31mgone\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "a\u2028b\u2029c\x85d",
    "\u200b\ufeff",
    "\udcff\udc80",
    "\t\v\f\x08\x7f",
    "{x} %s $(x) `x`",
    "<b>x</b> & | * _ ~~ #",
)

# What a store, a database or a file of JSON may hold.
names = st.one_of(
    st.sampled_from((*AWKWARD, "\ud800")),
    st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=12),
    st.builds("".join, st.lists(st.sampled_from(AWKWARD), min_size=2, max_size=3)),
)

# What the command line can be called with: bytes, as Python shows them.
arguments = st.one_of(
    st.sampled_from(AWKWARD),
    st.binary(min_size=1, max_size=12).map(lambda data: os.fsdecode(data.replace(b"\0", b"_"))),
)


def unprintable(sent: str) -> set[str]:
    """What a terminal should not have been sent: all that neither prints nor ends a line."""
    return {char for char in sent if not char.isprintable() and char != "\n"}
