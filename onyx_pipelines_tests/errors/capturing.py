"""Captures errors until so many ids are in a file, however often it is killed meanwhile.

`python -m onyx_pipelines_tests.errors.capturing FILE COUNT`; with `--timed` it prints what a
capture costs, in milliseconds: median and p99 of the time, and of this thread's processor time;
with `--afresh` thirty records are logged before each, so that no breadcrumb is known from the error
before; with `--stay` it goes on delivering.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path

import sentry_sdk

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.tracking import identify, start_error_tracking

_FRAMES = 12
_BREADCRUMBS = 30
_log = logging.getLogger("onyx.chat")


def failing(frames: int) -> None:
    """With a stack as a web framework's."""
    if frames:
        failing(frames - 1)
    raise ValueError("cannot answer 'one of the questions'")


def captured(number: int, records: int = 1) -> tuple[str, float, float]:
    """Its id, and what it cost, after so many records in the log."""
    for record in range(records):
        _log.info("request %d asked Qdrant for %d documents in 31 ms", number, record)
    try:
        failing(_FRAMES)
    except ValueError as error:
        begun, used = time.perf_counter(), time.thread_time()
        event_id = sentry_sdk.capture_exception(error)
        return str(event_id), time.perf_counter() - begun, time.thread_time() - used
    raise AssertionError


def main(file: Path, count: int, *options: str) -> None:
    """Goes on where the one before was killed."""
    start_error_tracking(load_settings(), "api-server")
    identify(user_id="4711", session_id="s-1")
    _log.setLevel(logging.INFO)
    known = len(file.read_text().split()) if file.exists() else 0
    records = _BREADCRUMBS if "--afresh" in options else 1
    costs = []
    with file.open("a") as ids:
        for number in range(known, count):
            event_id, took_s, used_s = captured(number, records)
            costs.append((took_s, used_s))
            ids.write(f"{event_id}\n")
            ids.flush()
    if "--timed" in options:
        figures = [
            sorted(each)[len(costs) * share // 100]
            for each in zip(*costs, strict=True)
            for share in (50, 99)
        ]
        sys.stdout.write(" ".join(f"{1000 * each:.3f}" for each in figures) + "\n")
        sys.stdout.flush()
    if "--stay" in options:
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
