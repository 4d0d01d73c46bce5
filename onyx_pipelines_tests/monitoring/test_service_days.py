"""A day of each service: up, down, or known to nobody, and what that leaves of its error budget."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.report.availability import day_page, read_days, write_day
from onyx_pipelines.monitoring.service_days import (
    ServiceDay,
    Span,
    StackDay,
    State,
    budgets,
    day_verdict,
    missing_days,
)

DAY = date(2026, 11, 26)
DAY_S = 86400
OBJECTIVE = 0.995
ALLOWED_S = 432


def service(up: int = 0, down: int = 0, unknown: int = 0, name: str = "onyx") -> ServiceDay:
    spans, begin_s = [], 0
    for state, length_s in ((State.UP, up), (State.DOWN, down), (State.UNKNOWN, unknown)):
        if length_s:
            spans.append(Span(state=state, begin_s=begin_s, length_s=length_s))
            begin_s += length_s
    return ServiceDay(service=name, spans=tuple(spans))


def of(day: date, **seconds: int) -> StackDay:
    return StackDay(day=day, services=(service(**seconds),))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (service(up=DAY_S), Verdict.PASSED),
        (service(up=DAY_S - ALLOWED_S, down=ALLOWED_S), Verdict.PASSED),
        (service(up=DAY_S - ALLOWED_S - 15, down=ALLOWED_S + 15), Verdict.FAILED),
        (service(up=DAY_S - 900, down=0, unknown=900), Verdict.COULD_NOT_VERIFY),
        (service(up=DAY_S - 1200, down=600, unknown=600), Verdict.FAILED),
        (service(unknown=DAY_S), Verdict.COULD_NOT_VERIFY),
        (service(), Verdict.COULD_NOT_VERIFY),
    ],
)
def test_a_day_is_kept_missed_or_not_known(found: ServiceDay, verdict: Verdict) -> None:
    assert day_verdict(found, OBJECTIVE) is verdict


def test_availability_is_of_the_time_in_which_it_is_known() -> None:
    assert service(up=900, down=100, unknown=5000).availability == 0.9
    assert service(unknown=DAY_S).availability is None


_PARTS = st.lists(st.integers(0, 5760), min_size=3, max_size=3).filter(lambda p: sum(p) <= 5760)


@given(_PARTS)
def test_what_is_unknown_never_counts_as_up_random(parts: list[int]) -> None:
    up, down, unknown = (15 * each for each in parts)
    told = day_verdict(service(up=up, down=down, unknown=unknown), OBJECTIVE)
    worse = day_verdict(service(up=up, down=down + unknown), OBJECTIVE)

    assert told is not Verdict.PASSED or worse is Verdict.PASSED


class TestBudget:
    def test_thirty_days_may_be_down_for_three_and_a_half_hours(self) -> None:
        (found,) = budgets([of(DAY, up=DAY_S)], DAY, OBJECTIVE)

        assert found.allowed_s == pytest.approx(12960)
        assert found.left == 1
        assert (found.days, found.verdict) == (1, Verdict.PASSED)

    def test_what_nobody_measured_may_have_spent_it(self) -> None:
        (found,) = budgets([of(DAY, up=DAY_S - 14400, unknown=14400)], DAY, OBJECTIVE)

        assert found.verdict is Verdict.COULD_NOT_VERIFY

    def test_what_was_down_is_taken_from_it(self) -> None:
        days = [of(DAY - timedelta(days=ago), up=80000, down=6400) for ago in range(3)]

        (found,) = budgets(days, DAY, OBJECTIVE)

        assert found.down_s == 19200
        assert found.left < 0
        assert found.verdict is Verdict.FAILED

    def test_days_outside_of_it_do_not_count(self) -> None:
        days = [of(DAY - timedelta(days=30), down=DAY_S), of(DAY + timedelta(days=1), down=DAY_S)]

        (found,) = budgets([*days, of(DAY, up=DAY_S)], DAY, OBJECTIVE)

        assert found.down_s == 0


def test_days_that_nobody_asked_about_are_made_up_oldest_first() -> None:
    now = datetime(2026, 11, 27, 0, 5, tzinfo=UTC)

    known = [of(date(2026, 11, 21), up=DAY_S), of(date(2026, 11, 25), up=DAY_S)]

    assert missing_days(known, now, most=4) == [
        date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 26)
    ]  # fmt: skip
    assert missing_days(known[1:], now, most=4) == [date(2026, 11, 26)]
    assert missing_days([], now, most=4) == [date(2026, 11, 26)]


def test_a_day_that_was_asked_about_before_its_end_is_asked_about_again() -> None:
    now = datetime(2026, 11, 27, 0, 5, tzinfo=UTC)

    assert missing_days([of(DAY, up=DAY_S - 15)], now, most=4) == [DAY]


class TestPage:
    def test_it_says_the_lowest_and_draws_the_day(self) -> None:
        day = StackDay(
            day=DAY,
            services=(
                service(up=DAY_S, name="redis"),
                service(up=DAY_S - 3600, down=1800, unknown=1800, name="onyx"),
            ),
        )

        page = day_page(day, budgets([day], DAY, OBJECTIVE), OBJECTIVE)

        assert "The lowest is onyx with 97.87 %" in page
        assert "MISSED" in page
        assert 'title="down for 30 min 00 s"' in page
        assert 'title="nobody knows for 30 min 00 s"' in page
        assert "86 % (3 h 06 min)" in page

    def test_of_a_day_without_history_it_says_so(self) -> None:
        page = day_page(of(DAY, unknown=DAY_S), (), OBJECTIVE)

        assert "Nobody measured it" in page
        assert "NOT KNOWN" in page

    def test_days_are_read_back_from_where_their_pages_lie(self, tmp_path: Path) -> None:
        days = [of(DAY + timedelta(days=ahead), up=DAY_S) for ahead in range(2)]
        for each in reversed(days):
            write_day(each, (), OBJECTIVE, tmp_path, stack="prod")
        (tmp_path / "service-availability" / "2026-11-20").mkdir()

        assert read_days(tmp_path) == days
        latest = tmp_path / "service-availability" / "latest"
        assert latest.resolve().name == "2026-11-27"
        assert "<title>prod: Availability" in (latest / "report.html").read_text(encoding="utf-8")
