"""Numbers and names as text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import onyx_pipelines
from onyx_pipelines.core.text import (
    NOT_KNOWN,
    NOTHING,
    count_text,
    day_text,
    duration_text,
    latency_text,
    limit_text,
    list_text,
    moment_text,
    percent_text,
    printable,
    rate_text,
    second_text,
    shortened,
    size_text,
    stamp_text,
    utc_minute,
    utc_second,
)


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0, "0 s"),
        (0.001, "under 0.01 s"),
        (0.042, "0.04 s"),
        (0.999, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (252, "4 min 12 s"),
        (3599.7, "1 h 00 min"),
        (3840, "1 h 04 min"),
        (3 * 86400 + 7200, "3 days 2 h"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_fits(duration_s: float, text: str) -> None:
    assert duration_text(duration_s) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999_600, "1 MB"),
        (1_240_000_000, "1.24 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_a_size_has_three_digits_and_a_decimal_unit(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("latency_ms", "text"),
    [
        (None, NOT_KNOWN),
        (float("nan"), NOT_KNOWN),
        (4.04, "4.0 ms"),
        (87.4, "87 ms"),
        (1530, "1.53 s"),
    ],
)
def test_a_latency_has_three_digits_at_most(latency_ms: float | None, text: str) -> None:
    assert latency_text(latency_ms) == text


def test_a_count_has_its_noun_in_the_singular_or_plural() -> None:
    texts = [count_text(1, "drill"), count_text(1200, "drill"), count_text(2, "entry", "entries")]

    assert texts == ["1 drill", "1,200 drills", "2 entries"]


def test_a_rate_that_was_not_measured_is_no_number() -> None:
    assert [rate_text(100, 0), rate_text(0, 3), rate_text(50_000_000, 2)] == [
        NOTHING,
        NOTHING,
        "25 MB/s",
    ]


def test_a_percentage_never_rounds_to_nothing_or_everything() -> None:
    texts = [percent_text(share) for share in (0, 0.001, 0.5, 0.999, 1)]

    assert texts == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %"]


def test_a_round_time_is_told_in_the_largest_unit_of_which_there_are_two() -> None:
    texts = [limit_text(seconds) for seconds in (90, 150, 3600, 4 * 3600, 7 * 86400)]

    assert texts == ["90 s", "2.5 min", "60 min", "4 h", "7 days"]


def test_a_moment_is_told_in_utc() -> None:
    moment = datetime(2026, 11, 23, 9, 30, 7, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert moment_text(moment) == "2026-11-23 04:00 UTC"
    assert second_text(moment) == "2026-11-23 04:00:07 UTC"
    assert [utc_minute(moment), utc_second(moment)] == ["2026-11-23 04:00", "2026-11-23 04:00:07"]


def test_a_day_and_a_name_are_those_of_utc() -> None:
    early = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert [day_text(early), stamp_text(early)] == ["2026-11-22", "20261122T233000Z"]


def test_no_other_module_writes_a_moment_in_a_format_of_its_own() -> None:
    foreign = {"core/text.py", "reporting/ticks.py", "sandbox/qdrant_standin"}
    sources = {
        path: path.read_text() for path in Path(onyx_pipelines.__file__).parent.rglob("*.py")
    }
    formats = re.compile(r"strftime\(|:%[YmdH]")

    found = [str(path) for path, source in sources.items() if formats.search(source)]

    assert [each for each in found if not any(name in each for name in foreign)] == []


def test_no_other_module_writes_a_measured_quantity_in_a_format_of_its_own() -> None:
    package = Path(onyx_pipelines.__file__).parent
    of_their_own = re.compile(r":[,.\d]*[fg]\} (?:s|ms|min|h|hours|days|[kMGT]?B)\b")

    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if of_their_own.search(path.read_text())
    ]

    assert found == ["core/text.py"]


def test_no_other_module_groups_the_digits_of_a_count_itself() -> None:
    package = Path(onyx_pipelines.__file__).parent
    of_their_own = re.compile(r":,d?\}")

    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if of_their_own.search(path.read_text())
    ]

    assert found == ["core/text.py"]


def test_a_list_ends_with_and() -> None:
    assert [list_text([]), list_text(["a"]), list_text(["a", "b", "c"])] == ["", "a", "a, b and c"]


def test_what_does_not_print_stands_as_its_escape() -> None:
    assert printable("a\nb\x1b[31m\u202egnp.exe\udc80") == r"a\nb\x1b[31m\u202egnp.exe\udc80"


@given(st.text(st.characters(), max_size=60))
def test_a_printable_name_is_one_line_that_any_encoding_of_unicode_takes(name: str) -> None:
    text = printable(name)

    assert text.isprintable()
    assert text.encode().decode() == text


@given(st.text(max_size=80), st.integers(3, 40))
def test_a_shortened_name_keeps_both_ends(name: str, limit: int) -> None:
    text = shortened(name, limit)

    assert len(text) == min(len(name), limit)
    assert (text[:1], text[-1:]) == (name[:1], name[-1:])
