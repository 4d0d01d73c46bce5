from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.k6.following import RowFollower
from onyx_pipelines.load_test.k6.rows import FIELDS, empty_samples, parse_rows
from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.results import Block, Scenario
from onyx_pipelines.load_test.samples import COLUMNS

UNIT = Unit(Scenario.CHAT, Block.SWEEP, users=7, repeat=2, duration_s=5)
ROW = {
    "started_ms": "1000",
    "ended_ms": "1250",
    "vu": "3",
    "iteration": "4",
    "request": "chat",
    "status": "200",
    "error_code": "0",
    "error": "",
    "blocked_ms": "0.5",
    "connecting_ms": "0",
    "tls_ms": "0",
    "sending_ms": "0.1",
    "waiting_ms": "240",
    "receiving_ms": "9",
    "bytes": "812",
    "first_token_ms": "120.5",
    "tokens": "24",
    "retry_after_s": "",
    "server_timing": 'total;dur=200, "pg";dur=3',
}


def line(**changes: str) -> bytes:
    return "\t".join({**ROW, **changes}[name] for name in FIELDS).encode() + b"\n"


def test_a_row_is_read_with_what_its_unit_was() -> None:
    rows = parse_rows(line(), UNIT)

    found = rows.samples.iloc[0]
    assert rows.torn == 0
    assert (found["scenario"], found["block"], found["users"], found["repeat"]) == (
        "chat",
        "sweep",
        7,
        2,
    )
    assert (found["first_token_ms"], found["server_timing"]) == (120.5, ROW["server_timing"])
    assert math.isnan(found["retry_after_s"])


def test_the_columns_have_their_types() -> None:
    rows = parse_rows(line() + line(status="0", waiting_ms=""), UNIT)

    assert {name: str(kind) for name, kind in rows.samples.dtypes.items()} == {
        name: str(kind) for name, kind in empty_samples().dtypes.items()
    }
    assert list(rows.samples.columns) == list(COLUMNS)


def test_a_line_that_was_cut_off_is_counted_and_left_out() -> None:
    rows = parse_rows(line() + line()[:30], UNIT)

    assert (len(rows.samples), rows.torn) == (1, 1)


def test_no_line_is_no_sample() -> None:
    rows = parse_rows(b"", UNIT)

    assert (len(rows.samples), rows.torn) == (0, 0)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=200), max_size=8))
def test_whatever_stands_in_the_file_nothing_is_lost_silently(texts: list[bytes]) -> None:
    lines = [text.replace(b"\n", b"") for text in texts]

    rows = parse_rows(b"".join(each + b"\n" for each in lines), UNIT)

    assert len(rows.samples) + rows.torn == len(lines)


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_only_a_line_feed_ends_a_row(character: str) -> None:
    error = f"first{character}second"

    rows = parse_rows(line(error=error) + line(), UNIT)

    assert rows.torn == 0
    assert list(rows.samples["error"]) == [error, ""]


def test_rows_are_followed_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    follower = RowFollower(path)
    assert follower.read().requests == 0

    path.write_bytes(line() * 25 + line()[:10])
    first = follower.read()
    with path.open("ab") as file:
        file.write(line()[10:] + line(status="500"))
    second = follower.read()

    assert (first.requests, first.errors, first.p95_ms) == (25, 0, 250)
    assert (second.requests, second.errors) == (27, 1)
    assert second.first_token_p95_ms == 120.5
