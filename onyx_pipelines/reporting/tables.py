"""A table as data: drawn by one macro in a page, written as Markdown for Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onyx_pipelines.reporting.palette import Badge
from onyx_pipelines.reporting.ticks import Tick


@dataclass(frozen=True)
class Mark:
    """What stands on a track, in a role's colour; places in percent of the track.

    Args:
        kind: its class: `bar`, `range`, `point`, `mark`.
        title: what it is, in words; "" for what only decorates.
    """

    kind: str
    role: str
    left: float
    width: float | None = None
    title: str = ""
    lane: int = 0
    lanes: int = 1


@dataclass(frozen=True)
class Cell:
    """A badge before its text, notes below it. `kind`: classes of its own beside the column's;
    `marks`: of a column that is a track; `link`: an address that its text leads to, in pages."""

    text: str = ""
    notes: tuple[str, ...] = ()
    badge: Badge | None = None
    kind: str = ""
    marks: tuple[Mark, ...] = ()
    link: str = ""


Row = Sequence[str | Cell]


@dataclass(frozen=True)
class Table:
    """`columns`: name and classes; the first one of a row is its head, a `track` has a scale.

    Args:
        groups: rows under a title each; one group with the title "" has none.
        group: what a group is, where there are titles.
        foot: the sum of all rows.
        ticks: of the scale, their value in percent.
    """

    columns: Sequence[tuple[str, str]]
    groups: Sequence[tuple[str, Sequence[Row]]]
    group: str = ""
    foot: Row | None = None
    ticks: Sequence[Tick] = ()


def plain_table(columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> Table:
    """Without groups and without a sum."""
    return Table(columns, [("", rows)])


def as_cell(cell: str | Cell) -> Cell:
    return Cell(cell) if isinstance(cell, str) else cell
