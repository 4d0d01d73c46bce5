"""Names of files in texts for people: one line, no control characters, never ambiguous. Pure."""

from __future__ import annotations

from typing import Final

_MAX_CHARACTERS: Final = 300


def shown(path: bytes) -> str:
    """What does not print, and a backslash, as escapes; the middle of a very long one left out."""
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) <= _MAX_CHARACTERS:
        return text
    half = _MAX_CHARACTERS // 2
    return f"{text[:half]}…{text[-half:]}"


def count_text(count: int, singular: str, plural: str = "") -> str:
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
