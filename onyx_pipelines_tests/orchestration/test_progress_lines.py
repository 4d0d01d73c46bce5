"""Progress in a run's log: few lines, each of which says something."""

from __future__ import annotations

import pytest

from onyx_pipelines.core.progress import Progress
from onyx_pipelines.orchestration import progress_lines
from onyx_pipelines.orchestration.progress_lines import log_progress, progress_line


def step(done_bytes: int, *, finished: bool = False, total_bytes: int | None = 1000) -> Progress:
    return Progress("qdrant", "documents", done_bytes, total_bytes, 2.0, finished=finished)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress_lines.time, "monotonic", lambda: now[0])
    return now


def test_many_steps_within_the_interval_are_no_line(clock: list[float]) -> None:
    lines: list[str] = []
    report = log_progress(lines.append, interval_s=15)

    for done in range(1000):
        report(step(done))

    assert clock == [100.0]
    assert lines == []


def test_one_line_per_interval(clock: list[float]) -> None:
    lines: list[str] = []
    report = log_progress(lines.append, interval_s=15)

    for done in range(60):
        clock[0] += 1
        report(step(done))

    assert len(lines) == 4


def test_what_is_finished_is_always_a_line(clock: list[float]) -> None:
    lines: list[str] = []

    log_progress(lines.append)(step(1000, finished=True))

    assert clock
    assert lines == ["qdrant documents: 1 kB in 2.0 s, 500 B/s"]


def test_a_line_has_the_share_only_where_the_total_is_known() -> None:
    assert "50 %" in progress_line(step(500))
    assert "%" not in progress_line(step(500, total_bytes=None))
