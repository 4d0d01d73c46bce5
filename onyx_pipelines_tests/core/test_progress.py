"""Progress reports: how often, and what share and rate they give."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.progress import Meter, Progress


def _report(done: int, total: int | None, elapsed_s: float = 1.0, **options: bool) -> Progress:
    return Progress("volumes", "files", done, total, elapsed_s, **options)


@given(done=st.integers(0, 10**15), total=st.none() | st.integers(0, 10**15))
def test_a_share_is_between_nothing_and_all(done: int, total: int | None) -> None:
    share = _report(done, total).share

    assert share is None or 0 <= share <= 1


def test_there_is_no_share_of_an_unknown_total() -> None:
    assert _report(5, None).share is None
    assert _report(5, 0).share is None


def test_what_is_finished_is_done_whatever_was_estimated() -> None:
    assert _report(5, 100, finished=True).share == 1.0
    assert _report(5, None, finished=True).share == 1.0


def test_an_estimate_that_was_too_small_is_no_more_than_all() -> None:
    assert _report(150, 100).share == 1.0


def test_the_rate_is_bytes_per_second_and_zero_before_time_passed() -> None:
    assert math.isclose(_report(300, None, 2.0).bytes_per_s, 150)
    assert _report(300, None, 0.0).bytes_per_s == 0


def test_a_meter_reports_at_most_once_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    reports: list[Progress] = []
    meter = Meter(reports.append, component="qdrant", item="docs", total_bytes=20, interval_s=1)

    for _ in range(20):
        now[0] += 0.25
        meter.add(1)

    assert [report.done_bytes for report in reports] == [4, 8, 12, 16, 20]


def test_a_meter_always_reports_its_end_with_the_sum() -> None:
    reports: list[Progress] = []
    meter = Meter(reports.append, component="qdrant", item="docs", interval_s=3600)

    meter.add(3)
    meter.add(4)
    meter.finish()

    assert [(r.component, r.item, r.done_bytes, r.finished) for r in reports] == [
        ("qdrant", "docs", 7, True)
    ]
