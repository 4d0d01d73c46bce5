"""Text that shows what it is."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line, where whatever does not print stands as its escape.

    So a line break, a terminal sequence or a mark that reverses the writing direction in a file's
    name is seen as what it is, and changes nothing around it.
    """
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
