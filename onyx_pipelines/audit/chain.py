"""Does a trail stand as it was written? Pure: from lines to the first one that does not fit.

A chain of hashes shows any change that leaves a later record as it was. Whoever can write the file
can make the rest of it anew from some record on, consistently: that is seen only by comparing with
what he could not change (copies in the stores, a head hash that somebody wrote down), and not at
all where he changes those as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from onyx_pipelines.audit.records import (
    FIRST_PREVIOUS,
    AuditRecord,
    Head,
    fragment_of,
    parse_record,
)


class Kind(StrEnum):
    """What a finding is about."""

    CHAIN = "chain"
    TORN = "torn"
    HEAD = "head"
    COPY = "copy"
    SIGNATURE = "signature"
    OTHER_TRAIL = "other_trail"
    UNFINISHED = "unfinished"


class Severity(StrEnum):
    """A notice is something that an honest history has too."""

    NOTICE = "notice"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Args:
        where: the file or object, "" for the trail as a whole.
        line: in that file, from 1; None where a record is not there.
        sequence: of the record that belongs there, where that is known.
    """

    kind: Kind
    severity: Severity
    what: str
    where: str = ""
    line: int | None = None
    sequence: int | None = None


@dataclass(frozen=True)
class Line:
    """A line of a file without its line break. `ended`: it had one."""

    where: str
    number: int
    data: bytes
    ended: bool = True


@dataclass(frozen=True)
class Placed:
    """An intact record, and where it stands."""

    record: AuditRecord
    line: Line


@dataclass(frozen=True)
class ChainReport:
    """`records` are the intact ones of this trail, by sequence."""

    trail: str
    records: Mapping[int, Placed]
    findings: tuple[Finding, ...] = ()

    @property
    def last(self) -> AuditRecord | None:
        return self.records[max(self.records)].record if self.records else None


def split_lines(where: str, data: bytes) -> Iterator[Line]:
    """The lines of a file; a last one without a line break is one too."""
    pieces = data.split(b"\n")
    for number, piece in enumerate(pieces, start=1):
        if number < len(pieces):
            yield Line(where, number, piece)
        elif piece:
            yield Line(where, number, piece, ended=False)


def examine(lines: Sequence[Line], *, head: Head | None, of_copies: bool = False) -> ChainReport:
    """Follow the records from the first line to the last.

    The first one that does not fit is the finding; how many do not fit after it stands there too,
    so that a second change is seen as well.

    Args:
        head: what the trail should end with, if that is known.
        of_copies: the lines are those of segments, which never hold torn lines.
    """
    read = [(line, parse_record(line.data)) for line in lines]
    trail = head.trail if head else next((record.trail for _, record in read if record), "")
    records: dict[int, Placed] = {}
    notices: list[Finding] = []
    misfits: list[Finding] = []
    torn: list[Line] = []
    last: AuditRecord | None = None
    for line, record in read:
        if record is None:
            torn.append(line)
            continue
        if torn and not of_copies and _seals(record, torn):
            notices += [_torn(each, f"record {record.sequence} seals it") for each in torn]
            found = _misfit(record, line, last, trail)
        elif torn:
            found = _unreadable(torn[0], last)
        elif record.sealed and not of_copies:
            found = _problem(line, record.sequence, "this record seals a torn line that is gone")
        else:
            found = _misfit(record, line, last, trail)
        if record.trail == trail and (found is None or record.sequence not in records):
            records[record.sequence] = Placed(record, line)
        misfits += [found] if found else []
        torn, last = [], record
    if _is_being_written(torn, last, head):
        notices.append(_torn(torn[0], "the next record will seal it"))
    elif torn:
        misfits.append(_unreadable(torn[0], last))
    elif head:
        misfits += _end(last, read[-1][0] if read else None, head)
    return ChainReport(trail, records, (*notices, *_first(misfits)))


def _seals(record: AuditRecord, torn: Sequence[Line]) -> bool:
    fragment = fragment_of(b"\n".join(line.data for line in torn))
    return fragment is not None and record.sealed == fragment


def _is_being_written(torn: Sequence[Line], last: AuditRecord | None, head: Head | None) -> bool:
    """One line without an end, of a record that the head file does not know yet."""
    unknown = head is None or (last is not None and head.sequence <= last.sequence)
    return len(torn) == 1 and not torn[0].ended and unknown


def _misfit(
    record: AuditRecord, line: Line, last: AuditRecord | None, trail: str
) -> Finding | None:
    expected = _after(last)
    if record.trail != trail:
        return _problem(line, expected, f"this record belongs to another trail, {record.trail}")
    if record.sequence != expected:
        what = f"this is record {record.sequence}, where record {expected} belongs"
        return _problem(line, expected, what)
    if record.previous != (last.hash if last else FIRST_PREVIOUS):
        return _problem(line, expected, f"record {expected} does not continue what stands before")
    return None


def _unreadable(line: Line, last: AuditRecord | None) -> Finding:
    return _problem(line, _after(last), f"this is not record {_after(last)} as it was written")


def _end(last: AuditRecord | None, line: Line | None, head: Head) -> Iterator[Finding]:
    """Does the trail end where the head file says? A killed writer leaves it one behind."""
    ends_at = last.sequence if last else 0
    if head.sequence > ends_at:
        what = f"records are missing at the end: {ends_at + 1} to {head.sequence}, by the head file"
        yield Finding(Kind.CHAIN, Severity.PROBLEM, what, sequence=ends_at + 1)
    elif last and line and head.hash not in (last.hash, last.previous):
        what = f"the trail ends with record {ends_at}, the head file with another {head.sequence}"
        yield replace(_problem(line, head.sequence, what), kind=Kind.HEAD)


def _first(misfits: Sequence[Finding]) -> Iterator[Finding]:
    if misfits:
        more = f"; {len(misfits) - 1} more do not fit after it" if len(misfits) > 1 else ""
        yield replace(misfits[0], what=misfits[0].what + more)


def _after(last: AuditRecord | None) -> int:
    return last.sequence + 1 if last else 1


def _problem(line: Line, sequence: int, what: str) -> Finding:
    return Finding(Kind.CHAIN, Severity.PROBLEM, what, line.where, line.number, sequence)


def _torn(line: Line, what: str) -> Finding:
    text = f"torn, at line {line.number}: a writer was killed; {what}"
    return Finding(Kind.TORN, Severity.NOTICE, text, line.where, line.number)
