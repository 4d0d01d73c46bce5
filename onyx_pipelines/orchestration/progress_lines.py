"""Progress as log lines at a sensible rate: each one is a row in Dagster's database."""

from __future__ import annotations

import time
from collections.abc import Callable

from onyx_pipelines.core.progress import Progress, ProgressCallback
from onyx_pipelines.core.text import duration_text, percent_text, size_text


def log_progress(log: Callable[[str], None], *, interval_s: float = 15) -> ProgressCallback:
    """A callback that logs the start of something long and then a line every `interval_s`.

    Items that take less than `interval_s` are logged once, when they are finished.
    """
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if not progress.finished and now - last < interval_s:
            return
        last = now
        log(progress_line(progress))

    return report


def progress_line(progress: Progress) -> str:
    """ "qdrant documents: 120 MB, 35 %, 60.2 MB/s"."""
    share = progress.share
    known = "" if share is None or progress.finished else f", {percent_text(share)}"
    state = f" in {duration_text(progress.elapsed_s)}" if progress.finished else ""
    return (
        f"{progress.component} {progress.item}: {size_text(progress.done_bytes)}{state}{known},"
        f" {size_text(int(progress.bytes_per_s))}/s"
    )
