"""Whatever is done to a trail is found, at the first record that does not fit."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onyx_pipelines.audit.chain import Severity
from onyx_pipelines.audit.records import Head, make_record, parse_record
from onyx_pipelines_tests.audit.trails import (
    BEGAN,
    TRAIL,
    chain_of,
    event,
    first_misfit,
    report_on,
    report_on_file,
)

COUNT = 8
LINES, HEAD = chain_of(COUNT)
INDEX = st.integers(0, COUNT - 1)
attack = settings(max_examples=100, deadline=None)


def forged(sequence: int, previous: str) -> bytes:
    """A record that is right in itself."""
    after = Head(trail=TRAIL, sequence=sequence - 1, hash=previous)
    return make_record(event(99), after=after, time=BEGAN + timedelta(days=1)).line()


def hash_of(line: bytes) -> str:
    return str(json.loads(line)["hash"])


def head_at(count: int) -> Head:
    return Head(trail=TRAIL, sequence=count, hash=hash_of(LINES[count - 1]))


def test_an_untouched_trail_has_no_finding() -> None:
    report = report_on(LINES, HEAD)

    assert report.findings == ()
    assert sorted(report.records) == list(range(1, COUNT + 1))


def test_no_trail_at_all_has_no_finding() -> None:
    assert report_on([], None).findings == ()


@attack
@given(index=INDEX, data=st.data())
def test_any_changed_byte_is_found_in_its_line(index: int, data: st.DataObject) -> None:
    line = bytearray(LINES[index])
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(byte not in (line[at], 0x0A))
    line[at] = byte

    report = report_on([*LINES[:index], bytes(line), *LINES[index + 1 :]], HEAD)

    assert first_misfit(report) == (index + 1, index + 1)


@attack
@given(index=INDEX, data=st.data())
def test_any_removed_or_added_byte_is_found_in_its_line(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    at = data.draw(st.integers(0, len(line) - 1))
    extra = data.draw(st.sampled_from([b"", b" ", b"0", b"\x00", b'"', b"\xff", b"\n"]))
    changed = line[:at] + extra + line[at + (not extra) :]
    assume(changed != line)

    report = report_on([*LINES[:index], changed, *LINES[index + 1 :]], HEAD)

    assert first_misfit(report) == (index + 1, index + 1)


@given(index=st.integers(0, COUNT - 2))
def test_a_record_made_anew_is_found_by_the_next_one(index: int) -> None:
    previous = json.loads(LINES[index])["previous"]

    report = report_on([*LINES[:index], forged(index + 1, previous), *LINES[index + 1 :]], HEAD)

    assert first_misfit(report) == (index + 2, index + 2)


@given(first=INDEX, count=st.integers(1, COUNT))
def test_removed_records_are_missed_where_they_were(first: int, count: int) -> None:
    last = min(first + count, COUNT)

    report = report_on([*LINES[:first], *LINES[last:]], HEAD)

    assert first_misfit(report) == (first + 1 if last < COUNT else None, first + 1)


@given(pair=st.lists(INDEX, min_size=2, max_size=2, unique=True))
def test_swapped_records_are_found_at_the_first_one(pair: list[int]) -> None:
    lines = list(LINES)
    lines[pair[0]], lines[pair[1]] = lines[pair[1]], lines[pair[0]]

    assert first_misfit(report_on(lines, HEAD))[0] == min(pair) + 1


@given(index=INDEX, at=st.integers(1, COUNT - 1))
def test_a_repeated_record_is_found_where_it_was_put(index: int, at: int) -> None:
    assume(at != index)  # there it cannot be told from the original

    report = report_on([*LINES[:at], LINES[index], *LINES[at:]], HEAD)

    assert first_misfit(report) == (at + 1, at + 1)


@attack
@given(at=INDEX, rubbish=st.binary(max_size=40))
def test_an_inserted_line_that_is_no_record_is_found(at: int, rubbish: bytes) -> None:
    assume(b"\n" not in rubbish)

    report = report_on([*LINES[:at], rubbish, *LINES[at:]], HEAD)

    assert first_misfit(report) == (at + 1, at + 1)


@attack
@given(at=INDEX, sequence=st.integers(1, COUNT), chained=st.booleans())
def test_an_inserted_record_with_a_right_hash_is_found(
    at: int, sequence: int, chained: bool
) -> None:
    previous = hash_of(LINES[sequence - 2]) if chained and sequence > 1 else "ab" * 32
    fits = chained and sequence == at + 1 and sequence > 1

    report = report_on([*LINES[:at], forged(sequence, previous), *LINES[at:]], HEAD)

    assert first_misfit(report)[0] == at + 1 + fits


@given(at=INDEX)
def test_a_record_of_another_trail_is_found(at: int) -> None:
    others, _ = chain_of(COUNT, trail="ff" * 8)

    report = report_on([*LINES[:at], others[at], *LINES[at:]], HEAD)

    assert first_misfit(report) == (at + 1, at + 1)


def test_a_second_change_is_counted() -> None:
    once = report_on([*LINES[:2], b"x", *LINES[3:]], HEAD)
    twice = report_on([*LINES[:2], b"x", *LINES[3:6], b"x", *LINES[7:]], HEAD)

    assert [each.what for each in (*once.findings, *twice.findings)] == [
        "this is not record 3 as it was written",
        "this is not record 3 as it was written; 1 more do not fit after it",
    ]


def test_a_suffix_made_anew_is_found_by_the_head() -> None:
    first = forged(7, hash_of(LINES[5]))
    second = forged(8, hash_of(first))

    assert first_misfit(report_on([*LINES[:6], first, second], HEAD)) == (8, 8)


def test_a_head_file_one_behind_is_what_a_killed_writer_leaves() -> None:
    assert report_on(LINES, head_at(COUNT - 1)).findings == ()


def test_an_older_head_file_is_found() -> None:
    [finding] = report_on(LINES, head_at(3)).findings

    assert (finding.severity, finding.sequence) == (Severity.PROBLEM, 3)


def test_a_torn_last_line_is_a_notice_at_its_line() -> None:
    data = b"".join(line + b"\n" for line in LINES[:3]) + LINES[3][:40]

    [finding] = report_on_file(data, head_at(3)).findings

    assert (finding.severity, finding.line) == (Severity.NOTICE, 4)
    assert "torn, at line 4" in finding.what


def test_a_last_record_cut_short_after_it_was_noted_is_no_torn_line() -> None:
    data = b"".join(line + b"\n" for line in LINES)[:-20]

    assert first_misfit(report_on_file(data, HEAD)) == (COUNT, COUNT)


def test_a_record_of_a_newer_format_is_not_taken_for_one_of_ours() -> None:
    assert parse_record(LINES[0].replace(b'"version":1', b'"version":2')) is None


@given(data=st.binary(max_size=200))
def test_any_file_can_be_examined(data: bytes) -> None:
    assert report_on_file(data, None).records == {}


def test_a_deeply_nested_line_is_no_record() -> None:
    assert parse_record(b"[" * 200_000) is None


def test_a_forged_number_of_records_costs_no_time_and_no_memory() -> None:
    far = forged(10**10 - 1, "ab" * 32)

    assert first_misfit(report_on([*LINES[:3], far], None)) == (4, 4)
