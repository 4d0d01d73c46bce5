"""Who is told of an error, how often, and what is held back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.errors.relay.deciding import (
    LONGEST_BETWEEN,
    SAME_ISSUE_EVERY,
    Telling,
    due,
    heard,
    wait_after,
)
from onyx_pipelines.errors.relay.memory import Memory
from onyx_pipelines.errors.relay.severity import Criteria, Severity
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source
from onyx_pipelines_tests.errors.relay_signals import MINUTE, NOW, fatal, signal

CRITERIA = Criteria(
    services=frozenset({"onyx"}),
    tags=frozenset({"tenant=gold"}),
    types=frozenset({"DataLoss", "by hand"}),
)


def after(signals: Iterable[Signal], memory: Memory | None = None) -> tuple[Memory, list[Telling]]:
    """Each heard at its own moment."""
    memory = memory or Memory(began_at=NOW - timedelta(days=1))
    told = []
    for each in signals:
        memory, telling = heard(memory, each, CRITERIA, each.at)
        told += [telling] if telling else []
    return memory, told


def again(number: int, at: timedelta, **changes: object) -> Signal:
    """More events of a known critical error, as the tracker lists it."""
    values = {"source": Source.LIST, "reason": Reason.GOES_ON, "count": number, "at": NOW + at}
    return fatal("", **{**values, **changes})


@pytest.mark.parametrize(
    ("heard_of", "severity", "why"),
    [
        (fatal(), Severity.CRITICAL, "level fatal"),
        (signal(tags={"tenant": "gold"}), Severity.CRITICAL, "tag tenant=gold"),
        (signal(type="DataLoss"), Severity.CRITICAL, "listed: DataLoss"),
        (signal(fingerprint=("by hand",)), Severity.CRITICAL, "listed: by hand"),
        (signal(service="onyx"), Severity.CRITICAL, "new in onyx"),
        (signal(service="onyx", level="warning"), Severity.QUIET, ""),
        (signal(), Severity.NOTABLE, ""),
        (signal(level=""), Severity.NOTABLE, ""),
        (signal(level="warning"), Severity.QUIET, ""),
        (signal(level="warning", reason=Reason.ALERT), Severity.NOTABLE, ""),
        (signal(reason=Reason.GOES_ON), Severity.QUIET, ""),
        # Told by the run's own message; a probe.
        (fatal(tags={"logger": "dagster"}), Severity.QUIET, ""),
        (fatal(message="Delivery check of onyx-pipelines"), Severity.QUIET, ""),
    ],
)
def test_how_bad_it_is_follows_from_level_tag_type_and_service(
    heard_of: Signal, severity: Severity, why: str
) -> None:
    memory, _ = after([heard_of])

    (issue,) = memory.issues.values()
    assert (issue.severity, issue.why) == (severity, why)


def test_a_new_error_is_told_at_once() -> None:
    _, told = after([signal()])

    assert [each.reason for each in told] == [Reason.NEW]


def test_what_is_only_noise_is_told_to_nobody() -> None:
    _, told = after([signal(level="info")])

    assert not told


def test_the_same_message_again_is_not_told_again() -> None:
    _, told = after([fatal("same"), fatal("same", at=NOW + timedelta(hours=3), count=9)])

    assert len(told) == 1


def test_a_critical_error_that_goes_on_is_told_again_with_how_much_was_held_back() -> None:
    memory, told = after([fatal(), again(4, MINUTE), again(9, 2 * MINUTE)])
    assert len(told) == 1

    memory, early = due(memory, NOW + SAME_ISSUE_EVERY - timedelta(seconds=1))
    memory, late = due(memory, NOW + SAME_ISSUE_EVERY)

    assert not early
    (telling,) = late
    assert (telling.reason, telling.more, telling.since) == (Reason.GOES_ON, 8, NOW)
    assert due(memory, NOW + timedelta(days=1))[1] == []


def test_a_notable_error_that_goes_on_is_told_once() -> None:
    memory, told = after(
        [signal(), again(50, 10 * MINUTE, level="error"), again(99, 60 * MINUTE, level="error")]
    )

    assert len(told) == 1
    assert not due(memory, NOW + timedelta(hours=2))[1]


def test_an_error_that_becomes_critical_is_told_at_once() -> None:
    _, told = after([signal(), again(2, MINUTE)])

    assert [each.issue.severity for each in told] == [Severity.NOTABLE, Severity.CRITICAL]


def test_what_comes_back_after_it_was_resolved_is_told() -> None:
    _, told = after(
        [
            signal(),
            signal("2", reason=Reason.RESOLVED, said="suna@1.4.3", at=NOW + 20 * MINUTE),
            signal("3", reason=Reason.REGRESSED, count=2, at=NOW + 60 * MINUTE),
        ]
    )

    assert [each.reason for each in told] == [Reason.NEW, Reason.RESOLVED, Reason.REGRESSED]
    assert told[1].issue.resolved_by == "suna@1.4.3"


def test_that_something_is_resolved_of_which_nobody_knew_is_not_told() -> None:
    _, told = after([signal(level="info"), signal("2", reason=Reason.RESOLVED)])

    assert not told


def test_one_event_that_is_heard_from_three_sources_is_one_message() -> None:
    own = fatal("event", source=Source.CAPTURED, issue="", count=0)
    memory, told = after([own, fatal("hook", at=NOW + MINUTE), again(1, 2 * MINUTE)])

    assert len(told) == 1
    assert not due(memory, NOW + timedelta(hours=1))[1]


def test_numbers_and_names_in_a_message_make_no_other_error() -> None:
    texts = (
        "user 'anna' timed out after 31 s at 10.0.0.1:5432",
        "user 'jo' timed out after 2 s at 10.0.0.22:5432",
        "user 'x' timed out after 2.5 s at 10.1.0.22:99",
    )
    memory, _ = after([signal(text, message=text) for text in texts])

    assert len(memory.issues) == 1


@given(st.integers(min_value=0, max_value=10**6))
def test_the_wait_grows_and_stays_within_its_bounds(told_times: int) -> None:
    assert SAME_ISSUE_EVERY <= wait_after(told_times) <= wait_after(told_times + 1)
    assert wait_after(told_times) <= LONGEST_BETWEEN


@given(st.lists(st.integers(min_value=1, max_value=600), max_size=40))
def test_of_one_error_at_most_one_message_in_five_minutes_and_no_event_is_forgotten(
    gaps_s: list[int],
) -> None:
    memory, told = after([fatal()])
    at = NOW
    for count, gap_s in enumerate(gaps_s, start=2):
        at += timedelta(seconds=gap_s)
        memory, telling = heard(memory, again(count, at - NOW), CRITERIA, at)
        memory, late = due(memory, at)
        told += [*([telling] if telling else []), *late]
    memory, late = due(memory, at + LONGEST_BETWEEN)
    told += late

    moments = [each.since for each in told[1:]] + [memory.issues[told[0].fingerprint].told_at]
    pairs = pairwise(moments)
    assert all(b - a >= SAME_ISSUE_EVERY for a, b in pairs if a and b)
    (issue,) = memory.issues.values()
    assert issue.held == 0
    assert issue.count == len(gaps_s) + 1
