"""Whatever is done to a trail is found, and found where it was done."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onyx_pipelines.audit.chain import Head, Kind, Severity, examine
from onyx_pipelines.audit.records import make_record, parse_record
from onyx_pipelines_tests.audit.trails import (
    BEGAN,
    TRAIL,
    chain_of,
    deed,
    lines_of,
    problem_lines,
    problem_sequences,
    report_on,
)

COUNT = 8
LINES, HEAD = chain_of(COUNT)
INDEX = st.integers(0, COUNT - 1)
attack = settings(max_examples=150, deadline=None)


def forged(sequence: int, previous: str) -> bytes:
    """A record that is right in itself."""
    record = make_record(
        deed(99), trail=TRAIL, sequence=sequence, previous=previous, time=BEGAN + timedelta(days=1)
    )
    return record.line()


def hash_of(line: bytes) -> str:
    return str(json.loads(line)["hash"])


def test_an_untouched_trail_has_no_finding() -> None:
    report = report_on(LINES, HEAD)

    assert report.findings == ()
    assert sorted(report.links) == list(range(1, COUNT + 1))


def test_no_trail_at_all_has_no_finding() -> None:
    assert examine([], head=None).findings == ()


@attack
@given(index=INDEX, data=st.data())
def test_any_changed_byte_is_found_in_its_line_and_nowhere_else(
    index: int, data: st.DataObject
) -> None:
    line = bytearray(LINES[index])
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(byte not in (line[at], 0x0A))
    line[at] = byte

    report = report_on([*LINES[:index], bytes(line), *LINES[index + 1 :]], HEAD)

    assert problem_lines(report) == {index + 1}
    assert problem_sequences(report) == {index + 1}


@attack
@given(index=INDEX, data=st.data())
def test_any_removed_or_added_byte_is_found_in_its_line(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    at = data.draw(st.integers(0, len(line) - 1))
    extra = data.draw(st.sampled_from([b"", b" ", b"0", b"\x00", b'"', b"\xff"]))
    changed = line[:at] + extra + line[at + (not extra) :]
    assume(changed != line)

    report = report_on([*LINES[:index], changed, *LINES[index + 1 :]], HEAD)

    assert problem_lines(report) == {index + 1}


@attack
@given(index=INDEX, data=st.data())
def test_a_line_break_put_into_a_record_is_found_there(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    at = data.draw(st.integers(1, len(line) - 1))

    report = report_on([*LINES[:index], line[:at], line[at:], *LINES[index + 1 :]], HEAD)

    assert problem_lines(report) == {index + 1, index + 2}


@attack
@given(index=INDEX)
def test_a_record_made_anew_with_a_right_hash_is_found(index: int) -> None:
    previous = json.loads(LINES[index])["previous"]

    report = report_on([*LINES[:index], forged(index + 1, previous), *LINES[index + 1 :]], HEAD)

    assert problem_lines(report) == {index + 1}


@attack
@given(first=INDEX, count=st.integers(1, COUNT))
def test_removed_records_are_named_and_located(first: int, count: int) -> None:
    last = min(first + count, COUNT)
    rest = [*LINES[:first], *LINES[last:]]

    report = report_on(rest, HEAD)

    [finding] = report.findings
    assert (finding.kind, finding.severity) == (Kind.MISSING, Severity.PROBLEM)
    assert finding.sequence == first + 1
    assert finding.line == (first + 1 if last < COUNT else None)


@attack
@given(pair=st.lists(INDEX, min_size=2, max_size=2, unique=True))
def test_two_swapped_records_are_both_found(pair: list[int]) -> None:
    lines = list(LINES)
    lines[pair[0]], lines[pair[1]] = lines[pair[1]], lines[pair[0]]

    report = report_on(lines, HEAD)

    assert {finding.kind for finding in report.findings} == {Kind.REORDERED}
    assert problem_lines(report) == {pair[0] + 1, pair[1] + 1}


@attack
@given(index=INDEX, at=st.integers(0, COUNT))
def test_a_repeated_record_is_found_where_it_was_put(index: int, at: int) -> None:
    assume(at not in (index, index + 1))  # there it cannot be told from the original

    report = report_on([*LINES[:at], LINES[index], *LINES[at:]], HEAD)

    assert [finding.kind for finding in report.findings] == [Kind.DUPLICATE]
    assert problem_lines(report) == {at + 1}


@given(index=INDEX)
def test_a_record_repeated_beside_itself_is_found(index: int) -> None:
    report = report_on([*LINES[: index + 1], *LINES[index:]], HEAD)

    assert [finding.kind for finding in report.findings] == [Kind.DUPLICATE]
    assert problem_lines(report) == {index + 2}


@attack
@given(at=st.integers(0, COUNT), rubbish=st.binary(max_size=40))
def test_an_inserted_line_that_is_no_record_is_found(at: int, rubbish: bytes) -> None:
    assume(b"\n" not in rubbish)

    report = report_on([*LINES[:at], rubbish, *LINES[at:]], HEAD)

    assert problem_lines(report) == {at + 1}


@attack
@given(at=st.integers(0, COUNT - 1), sequence=st.integers(1, COUNT), chained=st.booleans())
def test_an_inserted_record_with_a_right_hash_is_found(
    at: int, sequence: int, chained: bool
) -> None:
    previous = hash_of(LINES[sequence - 2]) if chained and sequence > 1 else "ab" * 32

    report = report_on([*LINES[:at], forged(sequence, previous), *LINES[at:]], HEAD)

    assert [finding.kind for finding in report.findings] == [Kind.INSERTED]
    assert problem_lines(report) == {at + 1}


@given(at=st.integers(0, COUNT - 1))
def test_a_record_of_another_trail_is_found(at: int) -> None:
    others, _ = chain_of(COUNT, trail="ff" * 8)

    report = report_on([*LINES[:at], others[at], *LINES[at:]], HEAD)

    assert [finding.kind for finding in report.findings] == [Kind.FOREIGN]
    assert problem_lines(report) == {at + 1}


def test_a_suffix_made_anew_is_found_by_the_head() -> None:
    first = forged(7, hash_of(LINES[5]))
    second = forged(8, hash_of(first))

    report = report_on([*LINES[:6], first, second], HEAD)

    assert problem_lines(report) == {8}


def test_a_head_file_one_behind_is_what_a_killed_writer_leaves() -> None:
    behind = Head(TRAIL, COUNT - 1, hash_of(LINES[-2]))

    assert report_on(LINES, behind).findings == ()


def test_an_older_head_file_is_found() -> None:
    old = Head(TRAIL, 3, hash_of(LINES[2]))

    [finding] = report_on(LINES, old).findings

    assert (finding.kind, finding.sequence) == (Kind.HEAD, 3)


def test_a_torn_last_line_is_a_notice_at_its_line() -> None:
    data = b"".join(line + b"\n" for line in LINES[:3]) + LINES[3][:40]
    head = Head(TRAIL, 3, hash_of(LINES[2]))

    [finding] = examine(lines_of(data), head=head).findings

    assert (finding.kind, finding.severity, finding.line) == (Kind.TORN, Severity.NOTICE, 4)
    assert "torn, at line 4" in finding.what


def test_a_last_record_cut_short_after_it_was_noted_is_no_torn_line() -> None:
    data = b"".join(line + b"\n" for line in LINES)[:-20]

    report = examine(lines_of(data), head=HEAD)

    assert problem_lines(report) == {COUNT}
    assert problem_sequences(report) == {COUNT}


def test_a_record_of_a_newer_format_is_not_taken_for_one_of_ours() -> None:
    assert parse_record(LINES[0].replace(b'"version":1', b'"version":2')) is None


@given(data=st.binary(max_size=200))
def test_any_file_can_be_examined(data: bytes) -> None:
    report = examine(lines_of(data), head=None)

    assert report.links == {}


def test_a_deeply_nested_line_is_no_record() -> None:
    assert parse_record(b"[" * 200_000) is None


def test_a_forged_number_of_records_costs_no_time_and_no_memory() -> None:
    far = forged(10**10 - 1, "ab" * 32)

    report = report_on([*LINES[:3], b"rubbish", far], None)

    assert problem_sequences(report) == {4, 5}
