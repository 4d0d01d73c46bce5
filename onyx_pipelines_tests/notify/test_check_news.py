"""Which checks of a green run are news, and which people know of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.notify.check_news import CheckOutcome, Known, KnownChecks, known_after, news_of

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
NIGHT = timedelta(days=1)
NO_SECOND_STORE = CheckOutcome(
    "offsite_copy: is_current", passed=False, is_error=False, says="no second store is configured"
)
STRANGER = CheckOutcome("backup_retention: trusted", passed=False, is_error=True, says="1 set")


class People:
    """Who are told of each night what is news."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.now = NOW

    def night(self, *outcomes: CheckOutcome, want_it: bool = True) -> list[str]:
        """What they are told of it."""
        self.now += NIGHT
        news = news_of(outcomes, self.known, self.now)
        self.known = known_after(news, self.known, self.now, was_told=want_it)
        return [*(each.sentence for each in news.told), *(f"{n} holds" for n in news.holds_again)]


@pytest.fixture
def people() -> People:
    return People()


def test_a_state_that_never_changes_is_told_once(people: People) -> None:
    told = [people.night(NO_SECOND_STORE) for _ in range(30)]

    assert told == [[NO_SECOND_STORE.sentence], *[[]] * 29]


def test_an_error_that_nobody_mends_is_told_again_each_week(people: People) -> None:
    told = [people.night(STRANGER) for _ in range(15)]

    assert [number for number, said in enumerate(told) if said] == [0, 7, 14]


def test_an_error_that_was_told_by_a_clock_that_was_ahead_is_told_again(people: People) -> None:
    people.night(STRANGER)
    people.now -= timedelta(days=400)

    assert people.night(STRANGER) == [STRANGER.sentence]
    assert people.night(STRANGER) == []


def test_a_warning_that_becomes_an_error_is_told(people: People) -> None:
    people.night(NO_SECOND_STORE)

    told = people.night(replace(NO_SECOND_STORE, is_error=True))

    assert told == ["offsite_copy: is_current (ERROR): no second store is configured"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1 set does not count", "2 sets do not count"),
        ("set aaaa is damaged", "set bbbb is damaged"),
    ],
)
def test_what_says_something_else_is_told(people: People, before: str, after: str) -> None:
    people.night(replace(NO_SECOND_STORE, says=before))

    assert people.night(replace(NO_SECOND_STORE, says=after)) != []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1 set without a copy; 24 h 06 min behind", "1 set without a copy; 2 days 0 h behind"),
        ("the last drill passed 36 days 2 h ago", "the last drill passed 37 days 2 h ago"),
        ("qdrant: 1.24 GB, -60.1 %", "qdrant: 987 MB, -61.3 %"),
        ("dated 2026-11-26 03:00:01", "dated 2026-11-27 03:00:02"),
    ],
)
def test_what_only_grows_older_is_not(people: People, before: str, after: str) -> None:
    people.night(replace(NO_SECOND_STORE, says=before))

    assert people.night(replace(NO_SECOND_STORE, says=after)) == []


def test_what_holds_again_is_told_once_and_its_next_failure_too(people: People) -> None:
    people.night(STRANGER)
    mended = replace(STRANGER, passed=True, says="")

    told = [people.night(mended), people.night(mended), people.night(STRANGER)]

    assert told == [["backup_retention: trusted holds"], [], [STRANGER.sentence]]


def test_what_nobody_wanted_to_hear_is_still_news(people: People) -> None:
    people.night(STRANGER, want_it=False)

    assert people.night(STRANGER) == [STRANGER.sentence]


def test_a_check_that_a_run_did_not_look_at_is_still_known(people: People) -> None:
    people.night(STRANGER)
    people.night()

    assert people.night(STRANGER) == []


def test_errors_stand_before_warnings(people: People) -> None:
    assert people.night(NO_SECOND_STORE, STRANGER) == [STRANGER.sentence, NO_SECOND_STORE.sentence]


def test_what_is_known_outlives_the_process_for_each_job_by_itself(tmp_path: Path) -> None:
    known = {"a: b": Known(is_error=True, says="x", told_at=NOW)}

    KnownChecks(tmp_path).put("nightly_backup", known)

    assert KnownChecks(tmp_path).of("nightly_backup") == known
    assert KnownChecks(tmp_path).of("restore_drill") == {}


def test_a_file_that_cannot_be_read_tells_once_more(tmp_path: Path) -> None:
    checks = KnownChecks(tmp_path)
    checks.put("nightly_backup", {"a: b": Known(is_error=True, says="x", told_at=NOW)})
    (path,) = (tmp_path / "notify").iterdir()
    path.write_text("{", encoding="utf-8")

    assert checks.of("nightly_backup") == {}
