"""Which days have a digest, and what stands in it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.schedules import HISTORY_DAYS
from onyx_pipelines.errors.digest import missing_days, newest_day, window_of
from onyx_pipelines.errors.trackers.tracker import News, Source
from onyx_pipelines_tests.errors.made_digests import DAY, digest, issue

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class TestDays:
    def test_a_day_is_the_24_hours_until_nine_utc(self) -> None:
        found = window_of(DAY)

        assert found.begin == datetime(2026, 11, 26, 9, tzinfo=UTC)
        assert found.end == datetime(2026, 11, 27, 9, tzinfo=UTC)
        assert found.holds(found.begin)
        assert not found.holds(found.end)

    @pytest.mark.parametrize(
        ("now", "day"),
        [
            (datetime(2026, 11, 27, 9, tzinfo=UTC), DAY),
            (datetime(2026, 11, 27, 8, 59, 59, tzinfo=UTC), DAY - timedelta(days=1)),
        ],
    )
    def test_a_day_is_over_at_nine(self, now: datetime, day: date) -> None:
        assert newest_day(now) == day

    def test_without_any_digest_only_the_newest_is_made(self) -> None:
        assert missing_days([], NOON) == [DAY]

    def test_days_that_were_missed_are_made_up_oldest_first(self) -> None:
        made = [DAY - timedelta(days=ago) for ago in (5, 3)]

        assert missing_days(made, NOON) == [DAY - timedelta(days=ago) for ago in (4, 2, 1, 0)]

    def test_nothing_older_than_the_history_is_made_up(self) -> None:
        assert len(missing_days([DAY - timedelta(days=99)], NOON)) == HISTORY_DAYS

    @given(
        known=st.sets(st.dates(DAY - timedelta(days=30), DAY)),
        now=st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 5), timezones=st.just(UTC)),  # noqa: DTZ001  (the strategy wants naive bounds)
    )
    def test_what_is_made_is_missing_no_more_random(self, known: set[date], now: datetime) -> None:
        missing = missing_days(known, now)

        assert not set(missing) & known
        assert missing == sorted(missing)
        assert all(window_of(day).end <= now for day in missing)
        assert missing_days([*known, *missing], now) == []


class TestContent:
    def test_new_and_returned_issues_are_told_apart(self) -> None:
        found = digest(issue(1), issue(2, news=News.NEW), issue(3, news=News.REGRESSED))

        assert [each.id for each in found.new] == ["ONYX-2"]
        assert [each.id for each in found.regressed] == ["ONYX-3"]

    def test_a_muted_issue_is_counted_and_not_listed(self) -> None:
        found = digest(issue(1, news=News.NEW, is_muted=True, events=80))

        assert (found.new, found.frequent, found.events, found.muted_events) == ((), (), 80, 80)

    def test_events_are_summed_by_service_and_release(self) -> None:
        first = (
            Source(service="suna", release="2.0", events=4),
            Source(service="suna", release="2.1", events=9),
        )
        second = (Source(service="suna", release="2.1", events=1),)

        found = digest(issue(1, sources=first), issue(2, sources=second))

        assert found.by_source == (("suna", "2.1", 10), ("suna", "2.0", 4))

    @pytest.mark.parametrize(
        ("issues", "subject"),
        [
            ((), "Errors until 2026-11-27: none"),
            ((issue(1),), "Errors until 2026-11-27: 3 events"),
            (
                (issue(1, news=News.NEW), issue(2, news=News.REGRESSED)),
                "Errors until 2026-11-27: 1 new, 1 back, 6 events",
            ),
        ],
    )
    def test_the_subject_says_what_matters(self, issues: tuple[object, ...], subject: str) -> None:
        assert digest(*issues).subject == subject  # type: ignore[arg-type]  # of parametrize
