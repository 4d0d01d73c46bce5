"""How answers leave: JSON for programs on standard output, lines and tables for people.

No string is markup: style is a type (`Styled`), and whatever does not print is shown escaped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onyx_pipelines.core.text import printable

if TYPE_CHECKING:
    # Loaded when somebody is to read something: a program is answered without.
    from rich.console import Console
    from rich.text import Text

EXIT_FINE = 0
EXIT_BAD = 1
EXIT_UNABLE = 2

# Tables that go into a file or a pipe must not cut paths; a terminal has its own width.
_FILE_WIDTH = 200
_NARROW = 100
_UNBROKEN = 10
# A border and a blank at either side of a cell.
_BETWEEN = 3

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do it; without it, only say what would be done.")
]


def storable(text: str) -> str:
    """Callback of an option or argument whose text is kept: the bytes given must be UTF-8."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise typer.BadParameter("must be text in UTF-8")
    return text


@dataclass(frozen=True)
class Styled:
    """Text with a style of rich, such as "bold red". The only way to style anything."""

    text: str
    style: str


Part = str | Styled


def bold(text: str) -> Styled:
    """For a table or a line; plain where it is piped."""
    return Styled(text, "bold")


def red(text: str) -> Styled:
    """What is wrong; plain where it is piped."""
    return Styled(text, "red")


def yellow(text: str) -> Styled:
    """What needs a look; plain where it is piped."""
    return Styled(text, "yellow")


class Writer:
    """Lines and tables on one of the standard streams."""

    def __init__(self, *, stderr: bool) -> None:
        self._stderr = stderr

    @cached_property
    def console(self) -> Console:
        """For bars, which draw themselves. Text goes through `line` and `table`."""
        from rich.console import Console

        width = None if self.is_terminal else _FILE_WIDTH
        return Console(stderr=self._stderr, width=width, markup=False, highlight=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches: not where FORCE_COLOR alone says so."""
        return (sys.stderr if self._stderr else sys.stdout).isatty()

    def line(self, *parts: Part) -> None:
        """One line, whatever its parts hold; a terminal wraps it, a file has it whole."""
        self.console.print(_text(parts), soft_wrap=True)

    def quote(self, lines: Iterable[str]) -> None:
        """What a program said, marked so that it cannot pass for ours."""
        for line in lines:
            self.line("  | ", line)

    def warning(self, text: str) -> None:
        self.line(yellow("warning:"), " ", text)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[Part]]) -> None:
        from rich import box
        from rich.table import Table

        cells = [[_text([cell]) for cell in row] for row in (head, *rows)]
        table = Table(title=_text([title]), title_justify="left")
        if self.console.width < _NARROW:
            table.box, table.show_edge = box.SIMPLE_HEAD, False
        is_file = not self.is_terminal and self.console.width == _FILE_WIDTH
        needed = 1
        for column in zip(*cells, strict=True):
            # An id or a date that is broken cannot be copied; in a file no path can.
            longest = max((len(word) for cell in column for word in cell.plain.split()), default=0)
            least = longest if is_file else min(longest, _UNBROKEN)
            table.add_column(column[0], overflow="fold", min_width=least)
            needed += least + _BETWEEN
        for row in cells[1:]:
            table.add_row(*row)
        wide = max(self.console.width, needed) if is_file else self.console.width
        self.console.print(table, width=wide, crop=not is_file)

    def verbatim(self, text: str) -> None:
        """For programs: exactly this and a line's end."""
        stream = sys.stderr if self._stderr else sys.stdout
        stream.write(f"{text}\n")
        stream.flush()


out = Writer(stderr=False)
err = Writer(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, in ASCII: a name cannot reach the terminal as it is.
    Times are ISO 8601 with their zone."""
    out.verbatim(json.dumps(value, indent=2, default=_encode))


def finish(code: int) -> None:
    """End the command with this exit status. 0 returns."""
    if code:
        raise typer.Exit(code)


def _text(parts: Sequence[Part]) -> Text:
    from rich.text import Text

    text = Text()
    for part in parts:
        if isinstance(part, Styled):
            text.append(printable(part.text), part.style)
        else:
            text.append(printable(part))
    return text


def _encode(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
