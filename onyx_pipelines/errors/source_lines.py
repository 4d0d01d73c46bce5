"""The lines of source around each frame of a stack, as far as everybody may read them.

A secret in source may span lines (a private key), so the lines around a frame are scrubbed as one
text; where that changes how many they are, none leaves. Each is a text of the event then, and
scrubbed as such once more. The twin of Node's: deploy/suna/errors/source_lines.mjs.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

_AROUND: Final = 5
# A longer one is data, or was written by a program. All of them are less than a text may have.
_LONGEST: Final = 180
_INSTEAD: Final = "…"
_REMEMBERED: Final = 2048


class SourceLines:
    """Of the files that this process runs. `scrub`: of a text."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub
        # Errors come from the same places again and again.
        self._at = lru_cache(_REMEMBERED)(self._read)

    def add_to(self, event: Mapping[str, Any]) -> None:
        """To the frames of the exceptions that it tells of."""
        for each in (event.get("exception") or {}).get("values") or ():
            for frame in (each.get("stacktrace") or {}).get("frames") or ():
                if frame.get("abs_path") and frame.get("lineno"):
                    frame.update(self._at(frame["abs_path"], frame["lineno"]))

    def _read(self, path: str, number: int) -> Mapping[str, Any]:
        return around(linecache.getlines(path), number, self._scrub)


def around(lines: list[str], number: int, scrub: Callable[[str], str]) -> dict[str, Any]:
    """What a frame says of its source; {}: it says nothing.

    Args:
        lines: of the file.
        number: of the line that failed, the first is 1.
    """
    first = max(0, number - 1 - _AROUND)
    raw = [each.rstrip("\r\n") for each in lines[first : number + _AROUND]]
    at = number - 1 - first
    if not 0 <= at < len(raw) or len(raw[at]) > _LONGEST:
        return {}
    text = "\n".join(each if len(each) <= _LONGEST else _INSTEAD for each in raw)
    told = scrub(text).split("\n")
    if len(told) != len(raw):
        return {}
    return {"pre_context": told[:at], "context_line": told[at], "post_context": told[at + 1 :]}
