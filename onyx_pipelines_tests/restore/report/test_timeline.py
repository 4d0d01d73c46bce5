"""The rows of the timeline."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.restore.report.timeline import timeline_rows
from onyx_pipelines.restore.results import ComponentResult, Step, StepTiming
from onyx_pipelines.sources.source import Component
from onyx_pipelines_tests.restore.report.drills import component, drill, timing

_steps = st.lists(
    st.builds(
        StepTiming,
        step=st.sampled_from(Step),
        item=st.sampled_from([f"item {i}" for i in range(60)]),
        offset_s=st.floats(0, 4000),
        duration_s=st.floats(0, 900),
    ),
    max_size=120,
)


def _of(*steps: StepTiming) -> ComponentResult:
    return ComponentResult(
        component=Component.VOLUMES, findings=(), steps=tuple(steps), plain_bytes=0
    )


def test_each_item_has_one_row_in_the_order_they_began() -> None:
    rows = timeline_rows(drill(component(items=("b", "a"))))

    assert [row.label for row in rows] == ["scratch", "b", "a"]


def test_steps_of_an_item_that_overlap_lie_in_different_lanes() -> None:
    fetch = timing(Step.FETCH, "onyx", 0, 10)
    restore = timing(Step.RESTORE, "onyx", 2, 20)
    compare = timing(Step.COMPARE, "onyx", 22, 5)

    (row,) = timeline_rows(drill(_of(fetch, restore, compare)))

    assert [bar.lane for bar in row.bars] == [0, 1, 0]


@settings(deadline=None)
@given(_steps)
def test_no_second_gets_lost_however_many_items_there_are(steps: list[StepTiming]) -> None:
    rows = timeline_rows(drill(_of(*steps)), max_rows=12)

    assert len(rows) <= 12
    assert sum(row.busy_s for row in rows) == pytest.approx(sum(s.duration_s for s in steps))
    drawn = [bar for row in rows for bar in row.bars]
    assert len(drawn) <= len(steps)
    for each in steps:
        assert any(
            bar.step is each.step
            and bar.offset_s <= each.offset_s
            and bar.end_s + 1e-6 >= each.offset_s + each.duration_s
            for bar in drawn
        )


def test_thousands_of_short_steps_are_few_bars_in_a_lane_for_each_kind_of_step() -> None:
    steps = [
        timing(step, f"v{number}", number / 10 + 1000 * (number >= 500), 0.05)
        for number in range(1000)
        for step in (Step.FETCH, Step.COMPARE)
    ]

    *_, others = timeline_rows(drill(_of(*steps)), max_rows=2)

    assert others.label == "999 others"
    assert [(bar.step, bar.lane) for bar in others.bars] == [
        (step, lane) for lane, step in enumerate((Step.FETCH, Step.COMPARE)) for _ in range(2)
    ]
    assert others.busy_s == pytest.approx(999 * 2 * 0.05)


def test_the_items_that_took_longest_keep_their_own_row() -> None:
    steps = [timing(Step.RESTORE, f"v{i}", i, i) for i in range(1, 31)]

    rows = timeline_rows(drill(_of(*steps)), max_rows=4)

    assert [row.label for row in rows] == ["v28", "v29", "v30", "27 others"]
