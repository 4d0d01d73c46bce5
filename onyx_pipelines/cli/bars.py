"""Bars on standard error while long work runs; nothing unless that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from onyx_pipelines.core.progress import Progress, ProgressCallback, silent
from onyx_pipelines.core.text import (
    count_text,
    duration_text,
    latency_text,
    per_second_text,
    percent_text,
    printable,
    shortened,
)
from onyx_pipelines.terminal.output import err

if TYPE_CHECKING:
    from rich.progress import TaskID

    from onyx_pipelines.load_test.running.execution import LoadProgress

_BAR = 12
# What stands beside a name: its bar, its bytes, its rate, its time.
_BESIDE = 54


@contextmanager
def progress_bars(*, shown: bool) -> Iterator[ProgressCallback]:
    """One bar for each item that is read or written."""
    if not shown or not err.is_terminal:
        yield silent
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=err.console) as bars:
        tasks: dict[tuple[str, str], TaskID] = {}

        def show(progress: Progress) -> None:
            key = (progress.component, progress.item)
            if key not in tasks:
                name = shortened(printable(" ".join(key)), max(20, err.console.width - _BESIDE))
                tasks[key] = bars.add_task(name, total=progress.total_bytes)
            total = progress.done_bytes if progress.finished else progress.total_bytes
            bars.update(tasks[key], completed=progress.done_bytes, total=total)

        yield show


@contextmanager
def load_test_bar(*, shown: bool) -> Iterator[Callable[[LoadProgress], None]]:
    """Users, rate, p95 so far, time left."""
    if not shown or not err.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Bars(*columns, console=err.console) as bars:
        task = bars.add_task("starting", total=1.0, left="")

        def show(progress: LoadProgress) -> None:
            p95 = "" if progress.p95_ms is None else f", p95 {latency_text(progress.p95_ms)}"
            failing = f", {percent_text(progress.error_rate)} fail" if progress.error_rate else ""
            bars.update(
                task,
                completed=progress.share,
                description=f"{progress.unit}: {count_text(progress.users, 'user')},"
                f" {per_second_text(progress.rate_per_s)}{p95}{failing}",
                left=f"about {duration_text(progress.left_s)} left",
            )

        yield show
