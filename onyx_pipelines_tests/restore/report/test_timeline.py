"""The rows of the timeline, and the ticks of both charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.restore.report.scales import date_ticks, days, decade_ticks, duration_ticks
from onyx_pipelines.restore.report.timeline import timeline_rows
from onyx_pipelines.restore.results import ComponentDrill, Step, StepTiming
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


def _of(*steps: StepTiming) -> ComponentDrill:
    return ComponentDrill(
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


@given(st.floats(0.001, 4e6), st.integers(3, 12))
def test_an_axis_of_durations_has_few_ticks_that_reach_near_its_end(
    end_s: float, most: int
) -> None:
    ticks = duration_ticks(end_s, most=most)

    assert 1 <= len(ticks) <= most + 1
    assert ticks[0].value == 0
    assert len({tick.text for tick in ticks}) == len(ticks)
    assert all(tick.value <= end_s * 1.000001 for tick in ticks)


def test_durations_on_an_axis_read_like_a_clock() -> None:
    texts = [tick.text for tick in duration_ticks(170, most=8)]

    assert texts == ["0 s", "30 s", "1 min", "1:30", "2 min", "2:30"]


def test_a_logarithmic_axis_goes_by_seconds_minutes_and_hours() -> None:
    texts = [tick.text for tick in decade_ticks(0.5, 30_000)]

    assert texts == ["1 s", "10 s", "1 min", "10 min", "1 h", "6 h"]


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(timedelta(minutes=20), timedelta(days=4000)),
    st.integers(3, 9),
)
def test_dates_lie_within_their_axis_and_are_few(
    first: datetime, span: timedelta, most: int
) -> None:
    ticks = date_ticks(first, first + span, most=most)

    assert len(ticks) <= most
    assert all(days(first) <= tick.value <= days(first + span) for tick in ticks)


def test_weeks_are_counted_back_from_the_newest_day() -> None:
    last = datetime(2027, 1, 10, 4, tzinfo=UTC)

    ticks = date_ticks(last - timedelta(days=24), last, most=5)

    assert [tick.text for tick in ticks] == ["20 Dec 2026", "27 Dec 2026", "3 Jan", "10 Jan"]


def test_drills_of_one_day_are_told_apart_by_the_hour() -> None:
    last = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)

    ticks = date_ticks(last - timedelta(hours=8), last, most=6)

    assert [tick.text for tick in ticks] == ["23 Nov", "02:00", "04:00", "06:00"]
