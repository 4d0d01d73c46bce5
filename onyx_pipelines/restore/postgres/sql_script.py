"""A script of PostgreSQL's own programs, taken apart into whole statements. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

# A name as these programs write it, and what ends one.
NAME = r'(?:"(?:[^"]|"")+"|[^\s";]+)'
# Ends with a semicolon that no name and no text holds.
_WHOLE = re.compile(r"""(?:[^"']|"(?:[^"]|"")*+"|'(?:[^']|'')*+')*+(?<=;)""")


def statements(script: str) -> Iterator[str]:
    """Each with its line break; comments, empty lines and commands of psql stand for themselves."""
    gathered = ""
    # Not splitlines(): names and texts may hold what Unicode calls a line break.
    for line in io.StringIO(script, newline="\n"):
        if not gathered and (line.startswith(("--", "\\")) or not line.strip()):
            yield line
            continue
        gathered += line
        if _WHOLE.fullmatch(gathered.removesuffix("\n")):
            yield gathered
            gathered = ""
    if gathered:
        yield gathered


def plain(name: str) -> str:
    """A name as it is, of one as it is written."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
