"""What is said to have changed before an error, and in which order."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.errors.relay.identity import likeness
from onyx_pipelines.errors.relay.memory import Issue
from onyx_pipelines.errors.relay.severity import Severity
from onyx_pipelines.errors.what_changed import (
    Change,
    ChangeKind,
    Findings,
    RateChange,
    Share,
    most_similar,
    rate_text,
    relevant,
    similar_text,
    told,
    wilson,
)
from onyx_pipelines_tests.errors.relay_signals import MINUTE, NOW, signal

RELEASE = Change(ChangeKind.RELEASE, NOW - 10 * MINUTE, "release 1.4.2 of suna", "suna")
NIGHTLY = Change(ChangeKind.BACKUP, NOW - 600 * MINUTE, "nightly_backup succeeded")


def issue(**changes: object) -> Issue:
    """Of an error that came yesterday, unless it is said otherwise."""
    about = {name: changes.pop(name) for name in ("type", "message", "culprit") if name in changes}
    yesterday = NOW - timedelta(days=1)
    values = {
        "last": signal(**about),
        "severity": Severity.NOTABLE,
        "first_seen": yesterday,
        "last_seen": yesterday,
    }
    return Issue(**{**values, **changes})  # type: ignore[arg-type]  # fields that a test names


def said(*changes: Change, service: str = "suna") -> list[str]:
    return [each.said for each in relevant(changes, NOW, service)]


def test_what_was_done_just_before_stands_before_what_ended_well_in_the_night() -> None:
    assert said(NIGHTLY, RELEASE) == ["release 1.4.2 of suna", "nightly_backup succeeded"]


def test_what_runs_stands_first() -> None:
    load = Change(ChangeKind.LOAD_TEST, NOW - 30 * MINUTE, "load test", is_running=True)

    assert said(NIGHTLY, RELEASE, load)[0] == "load test"


def test_a_failure_an_hour_ago_stands_before_a_release_of_yesterday() -> None:
    failed = Change(ChangeKind.BACKUP, NOW - 60 * MINUTE, "failed", went_wrong=True)
    old = Change(ChangeKind.RELEASE, NOW - 1300 * MINUTE, "old")

    assert said(old, failed) == ["failed", "old"]


def test_what_came_after_the_error_or_is_of_another_service_is_no_cause() -> None:
    later = Change(ChangeKind.RELEASE, NOW + 5 * MINUTE, "later")
    other = Change(ChangeKind.RELEASE, NOW - MINUTE, "other", "onyx")

    assert said(later, other, RELEASE) == ["release 1.4.2 of suna"]


def test_the_last_release_is_named_however_old_it_is_and_whatever_else_there_is() -> None:
    old = Change(ChangeKind.RELEASE, NOW - timedelta(days=20), "old", "suna")
    many = [
        Change(ChangeKind.CONFIGURATION, NOW - each * MINUTE, f"change {each}")
        for each in range(20)
    ]

    assert said(old) == ["old"]
    assert len(said(old, *many)) == 6
    assert said(old, *many)[-1] == "old"


def test_where_nothing_changed_it_says_so_and_what_it_does_not_know() -> None:
    sections = told(Findings(unknown=["Not known: x."]), NOW, "suna", None)

    assert sections["What changed"] == (
        "• Nothing that is recorded, in the 24 h before.\n• Not known: x."
    )


@given(
    st.lists(
        st.builds(
            Change,
            kind=st.sampled_from(ChangeKind),
            at=st.integers(-3000, 100).map(lambda minutes: NOW + minutes * MINUTE),
            said=st.text(max_size=5),
            is_running=st.booleans(),
            went_wrong=st.booleans(),
        ),
        max_size=30,
    )
)
def test_it_is_short_and_only_of_what_can_be_a_cause(changes: list[Change]) -> None:
    named = relevant(changes, NOW, "suna")

    assert len(named) <= 6
    assert all(each.at <= NOW + MINUTE for each in named)
    assert bool(named) == any(
        each.at <= NOW + MINUTE
        and (
            each.is_running
            or each.kind is ChangeKind.RELEASE
            or NOW - each.at <= timedelta(hours=24)
        )
        for each in changes
    )


@pytest.mark.parametrize(
    ("failed", "every", "low", "high"),
    # Newcombe, Statistics in Medicine 17, 1998, table I: method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_that_of_the_literature(
    failed: int, every: int, low: float, high: float
) -> None:
    found = wilson(Share(failed, every))

    assert found == pytest.approx((low, high), abs=5e-5)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_an_interval_holds_its_share_and_stays_between_0_and_1(failed: float, every: float) -> None:
    low, high = wilson(Share(failed, every))

    assert 0 <= low <= high <= 1
    if every > 0:
        assert low - 1e-9 <= min(1.0, failed / every) <= high + 1e-9
    assert math.isfinite(low + high)


def test_that_the_error_rate_rose_is_said_only_where_it_is_certain() -> None:
    few, many = Share(2, 1000), Share(60, 1000)

    rose = rate_text(RateChange(before=few, since=many, before_s=3600, since_s=600))
    same = rate_text(RateChange(before=few, since=Share(1, 300), before_s=3600, since_s=600))

    assert rose == (
        "6.00 % (4.69 to 7.65 %, of 1,000 requests) in the 10 min since;"
        " 0.20 % (0.05 to 0.73 %, of 1,000 requests) in the 60 min before. It rose."
    )
    assert same.endswith("No change is certain.")


def test_the_most_similar_earlier_error_and_what_mended_it_are_named() -> None:
    own = issue(first_seen=NOW)
    alike = issue(
        message="connection to server at 10.9.9.9 failed after 5 s",
        resolved_at=NOW - timedelta(hours=9),
        resolved_by="suna@1.3.9",
    )
    other = issue(type="KeyError", message="'tenant'", culprit="suna.api in chat")

    found = most_similar(own, {"own": own, "alike": alike, "other": other}, "own")

    assert found is not None
    assert found[0] is alike
    assert similar_text(*found).endswith("It was mended with suna@1.3.9.")


def test_what_is_not_alike_or_came_later_is_no_earlier_error() -> None:
    own = issue(first_seen=NOW)
    other = issue(type="KeyError", message="'tenant'", culprit="suna.api in chat")
    later = issue(first_seen=NOW + MINUTE)

    assert most_similar(own, {"own": own, "other": other, "later": later}, "own") is None


@given(st.text(), st.text(), st.text(), st.text())
def test_likeness_is_the_same_both_ways_and_between_0_and_1(a: str, b: str, c: str, d: str) -> None:
    one, other = issue(type=a, message=b), issue(type=c, message=d)

    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1 + 1e-9
    assert likeness(one, one) == pytest.approx(1) or not any(map(str.isalnum, a + b))
