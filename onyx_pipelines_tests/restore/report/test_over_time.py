"""The recovery times of drills over their dates: each one has its place, shape and words."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.report.over_time import over_time
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines_tests.restore.report import drills

TODAY = drills.whole_stack()


def _daily(count: int) -> list[DrillResult]:
    """One a day, up to today's."""
    return [
        TODAY.model_copy(update={"started_at": TODAY.started_at - timedelta(days=day)})
        for day in reversed(range(count))
    ]


def _slower(drill: DrillResult, factor: float) -> DrillResult:
    parts = tuple(
        part.model_copy(
            update={
                "steps": tuple(
                    step.model_copy(update={"duration_s": factor * step.duration_s})
                    for step in part.steps
                )
            }
        )
        for part in drill.components
    )
    return drill.model_copy(update={"components": parts})


@pytest.mark.parametrize("count", [1, 2, 120])
def test_a_history_of_any_length_shows_each_drill_on_the_scale(count: int) -> None:
    shown = over_time(_daily(count))

    assert len(shown.points) == count == len(shown.line.split())
    assert all(0 <= at <= 100 for each in shown.points for at in (each.left, each.bottom))
    assert 1 <= len(shown.dates) <= 11


def test_later_is_further_right_and_slower_is_higher() -> None:
    before, today = _daily(2)

    first, second = over_time([before, _slower(today, 4)]).points

    assert first.left < second.left
    assert first.bottom < second.bottom


def test_four_times_as_slow_is_the_same_step_everywhere() -> None:
    a, b, c = _daily(3)

    points = over_time([a, _slower(b, 4), _slower(c, 16)]).points

    steps = [after.bottom - before.bottom for before, after in pairwise(points)]
    assert steps[0] == pytest.approx(steps[1])


def test_drills_within_minutes_are_told_apart_by_the_minute() -> None:
    before = TODAY.model_copy(update={"started_at": TODAY.started_at - timedelta(minutes=5)})

    shown = over_time([before, TODAY])

    assert len(shown.dates) >= 2
    assert all(0 < tick.value < 100 for tick in shown.dates)


def test_what_was_not_measured_stands_at_the_bottom_and_in_no_line() -> None:
    before, today = _daily(2)
    silent = today.model_copy(update={"components": ()})

    shown = over_time([before, silent])

    assert shown.points[1].bottom == 0
    assert shown.durations[0].text == "none"
    assert shown.points[1].tooltip.endswith("recovery not measured")
    assert len(shown.line.split()) == 1


def test_a_history_in_which_nothing_was_measured_says_so() -> None:
    shown = over_time([TODAY.model_copy(update={"components": ()})])

    assert shown.description == "1 drill, objective 60 min. None has a recovery time."
    assert shown.line == ""


def test_a_point_says_when_it_was_with_which_verdict_and_time() -> None:
    (point,) = over_time([TODAY]).points

    assert TODAY.verdict is Verdict.PASSED
    assert point.tooltip.startswith("2026-")
    assert ": passed, recovery " in point.tooltip
