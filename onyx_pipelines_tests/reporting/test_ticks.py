"""Where the ticks of an axis are and what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.reporting.ticks import date_ticks, days, decade_ticks, duration_ticks


@given(st.floats(0.001, 4e6), st.integers(3, 12))
def test_an_axis_of_durations_has_few_ticks_that_reach_near_its_end(
    end_s: float, most: int
) -> None:
    ticks = duration_ticks(end_s, most=most)

    assert 1 <= len(ticks) <= most + 1
    assert ticks[0].value == 0
    assert len({tick.text for tick in ticks}) == len(ticks)
    assert all(tick.value <= end_s * 1.000001 for tick in ticks)


def test_a_logarithmic_axis_goes_by_seconds_minutes_and_hours() -> None:
    texts = [tick.text for tick in decade_ticks(0.5, 30_000)]

    assert texts == ["1 s", "10 s", "60 s", "10 min", "60 min", "6 h"]


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  (naive on purpose, or made aware below)
    st.timedeltas(timedelta(minutes=3), timedelta(days=4000)),
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
