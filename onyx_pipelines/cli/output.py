"""How answers leave: JSON for programs on standard output, tables and bars for people.

Exit codes: 0 fine, 1 the answer is bad (a damaged set, a failed check), 2 could not do it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich import progress as bars_of
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from onyx_pipelines.progress import Progress, ProgressCallback, silent

EXIT_FINE = 0
EXIT_BAD = 1
EXIT_UNABLE = 2

# Tables that go into a file or a pipe must not cut paths; a terminal has its own width.
_FILE_WIDTH = 200


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_FILE_WIDTH)


out = _console()
err = _console(stderr=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do it; without it, only say what would be done.")
]


def print_json(value: Any) -> None:
    """One JSON document on standard output. Times are ISO 8601 with their zone."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=_encode)
    sys.stdout.write("\n")


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in head:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def finish(code: int) -> None:
    if code:
        raise typer.Exit(code)


@contextmanager
def progress_bars(*, shown: bool) -> Iterator[ProgressCallback]:
    """Bars on standard error while the block runs; nothing unless that is a terminal."""
    if not shown or not err.is_terminal:
        yield silent
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with bars_of.Progress(*columns, console=err) as bars:
        tasks: dict[tuple[str, str], TaskID] = {}

        def show(progress: Progress) -> None:
            key = (progress.component, progress.item)
            if key not in tasks:
                tasks[key] = bars.add_task(" ".join(key), total=progress.total_bytes)
            total = progress.done_bytes if progress.finished else progress.total_bytes
            bars.update(tasks[key], completed=progress.done_bytes, total=total)

        yield show


def _encode(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
