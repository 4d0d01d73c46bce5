"""One measured line, and how all of them are printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`value` against `limit`: met if not above it, or not below it where `at_least`."""

    what: str
    value: float
    limit: float | None
    unit: str
    detail: str
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        met = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "met" if met else "MISSED"

    @property
    def target(self) -> str:
        if self.limit is None:
            return ""
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g} {self.unit}".rstrip()


def show(lines: Sequence[Line]) -> None:
    """A Markdown table on standard output."""
    rows = [("what", "measured", "target", "", "detail")]
    rows += [
        (
            line.what,
            f"{line.value:.2f} {line.unit}".rstrip(),
            line.target,
            line.verdict,
            line.detail,
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("| " + " | ".join(cells) + " |\n")
        if number == 0:
            sys.stdout.write("|" + "|".join("-" * (width + 2) for width in widths) + "|\n")


def say(text: str) -> None:
    """Progress, apart from the table."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
