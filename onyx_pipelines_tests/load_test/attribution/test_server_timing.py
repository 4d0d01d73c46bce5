"""Server-Timing values: every form that the standard allows, and the column reader equals the
single one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.attribution.server_timing import (
    parse_server_timing,
    read_server_timings,
)

NAMES = st.from_regex(r"[a-z][a-z0-9_\-]{0,9}", fullmatch=True)
DURATIONS = st.floats(0, 1e9, allow_nan=False).map(lambda value: round(value, 3))
HEADERS = st.dictionaries(NAMES, DURATIONS, max_size=8)
NEARLY = st.text(alphabet='ab_;=", dur.0123456789\\-e', max_size=40)


def _written(durations):
    return ", ".join(f"{name};dur={value!r}" for name, value in durations.items())


def _row(timings, index):
    return {
        name: values[index] for name, values in timings.durations_ms.items() if values[index] > 0
    }


@pytest.mark.parametrize(
    ("text", "durations"),
    [
        ("", {}),
        ("db;dur=53", {"db": 53.0}),
        ("db;dur=1.5,app;dur=2", {"db": 1.5, "app": 2.0}),
        ('cache;desc="a, b;dur=9";dur=23.2', {"cache": 23.2}),
        ('db;dur="7.5"', {"db": 7.5}),
        ("db ; DUR = 4 ; desc=x", {"db": 4.0}),
        ("db;dur=1;dur=2", {"db": 1.0}),
        ("db;dur=1, db;dur=2", {"db": 3.0}),
        ("missed-cache", {}),
        ("db;dur=-3, app;dur=nan, x;dur=inf, y;dur=1_0, z;dur=ten", {}),
        (';dur=3, "quoted";dur=4, ok;dur=5', {"ok": 5.0}),
        ('open;desc="never closed, ok;dur=5', {"ok": 5.0}),
    ],
)
def test_a_value_is_read_as_the_standard_says(text, durations):
    assert parse_server_timing(text) == durations


@settings(deadline=None, max_examples=100)
@given(HEADERS)
def test_what_was_written_is_read_back(durations):
    assert parse_server_timing(_written(durations)) == durations


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60) | NEARLY)
def test_no_text_raises_or_gives_anything_but_finite_durations(text):
    durations = parse_server_timing(text)

    assert all(np.isfinite(value) and value >= 0 for value in durations.values())


@settings(deadline=None, max_examples=100)
@given(st.lists(HEADERS.map(_written) | NEARLY, min_size=1, max_size=6))
def test_a_column_is_read_like_its_single_values(texts):
    timings = read_server_timings(pd.Series(texts, dtype="str"))

    single = [
        {name: value for name, value in parse_server_timing(text).items() if value > 0}
        for text in texts
    ]
    assert [_row(timings, index) for index in range(len(texts))] == single


def test_rows_without_a_total_are_not_present():
    column = pd.Series(["total;dur=0", None, "", "db;dur=3", "total;dur=2"], dtype="str")

    timings = read_server_timings(column)

    assert timings.is_present.tolist() == [True, False, False, False, True]


def test_one_odd_value_does_not_change_the_others():
    plain = ["total;dur=2, db;dur=1"] * 10
    column = pd.Series([*plain, 'total;desc="all";dur=3', *plain], dtype="str")

    timings = read_server_timings(column)

    assert timings.durations_ms["total"].tolist() == [2.0] * 10 + [3.0] + [2.0] * 10
