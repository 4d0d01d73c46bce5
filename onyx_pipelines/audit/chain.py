"""Does a trail stand as it was written? Pure: from lines to the first one that does not fit.

A chain of hashes shows any change that leaves a later record as it was. Whoever can write the file
can make the rest of it anew from some record on, consistently: that is seen only by comparing with
what he could not change (copies in the stores, a head hash that somebody wrote down), and not at
all where he changes those as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from onyx_pipelines.audit.records import AuditRecord, Head, fragment_of, parse_record


class Severity(StrEnum):
    """A notice is something that an honest history has too."""

    NOTICE = "notice"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing found, in words: which record does not fit, or which copy differs.

    Args:
        where: the file or object, "" for the trail as a whole.
        line: in that file, from 1; None where a record is not there.
        sequence: of the record that belongs there, where that is known.
    """

    severity: Severity
    what: str
    where: str = ""
    line: int | None = None
    sequence: int | None = None


@dataclass(frozen=True)
class Line:
    """A line of a file without its line break. `ended`: it had one. `record`: None unless every
    byte of one is as it was written."""

    where: str
    number: int
    data: bytes
    ended: bool
    record: AuditRecord | None


@dataclass(frozen=True)
class Chain:
    """A trail as one place has it. `records`: the lines of its intact ones, by sequence."""

    trail: str
    lines: tuple[Line, ...] = ()
    records: Mapping[int, Line] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    place: str = "this host"
    host: str = ""

    @property
    def last(self) -> AuditRecord | None:
        return self.records[max(self.records)].record if self.records else None


def split_lines(where: str, data: bytes) -> Iterator[Line]:
    """The lines of a file; a last one without a line break is one too."""
    *ended, rest = data.split(b"\n")
    for number, piece in enumerate(ended, start=1):
        yield Line(where, number, piece, ended=True, record=parse_record(piece))
    if rest:
        yield Line(where, len(ended) + 1, rest, ended=False, record=parse_record(rest))


def examine(lines: Sequence[Line], *, head: Head | None, of_copies: bool = False) -> Chain:
    """Follow the records from the first line to the last.

    The first one that does not fit is the finding; how many do not fit after it stands there too,
    so that a second change is seen as well.

    Args:
        head: what the trail should end with, if that is known.
        of_copies: the lines are those of segments, which never hold torn lines.
    """
    trail = head.trail if head else next((each.record.trail for each in lines if each.record), "")
    records: dict[int, Line] = {}
    notices: list[Finding] = []
    misfits: list[Finding] = []
    torn: list[Line] = []
    last: AuditRecord | None = None
    expected = 1
    for line in lines:
        record = line.record
        if record is None:
            torn.append(line)
            continue
        left = fragment_of(b"\n".join(each.data for each in torn))
        what, at = "", line
        if torn and (of_copies or left is None or left != record.sealed):
            what, at = f"this is not record {expected} as it was written", torn[0]
        elif record.sealed and not torn and not of_copies:
            what = "this record seals a torn line that is gone"
        else:
            notices += [_torn(each, f"record {record.sequence} seals it") for each in torn]
            what = _misfit(record, trail, expected, last)
        if record.trail == trail and not (what and record.sequence in records):
            records[record.sequence] = line
        misfits += [_problem(at, expected, what)] if what else []
        torn, last, expected = [], record, record.sequence + 1
    if [each.ended for each in torn] == [False] and (not head or head.sequence < expected):
        # A record that is being written, which the head file does not know yet.
        notices.append(_torn(torn[0], "the next record will seal it"))
    elif torn:
        what = f"this is not record {expected} as it was written"
        misfits.append(_problem(torn[0], expected, what))
    elif head and head.sequence >= expected:
        what = f"records are missing at the end: {expected} to {head.sequence}, by the head file"
        misfits.append(Finding(Severity.PROBLEM, what, sequence=expected))
    elif head and last and head.hash not in (last.hash, last.previous):
        # A killed writer leaves the head file one behind.
        what = f"the trail ends with record {last.sequence}, the head file with another"
        misfits.append(_problem(lines[-1], head.sequence, f"{what} {head.sequence}"))
    if len(misfits) > 1:
        more = f"{misfits[0].what}; {len(misfits) - 1} more do not fit after it"
        misfits = [replace(misfits[0], what=more)]
    return Chain(trail, tuple(lines), records, (*notices, *misfits))


def _misfit(record: AuditRecord, trail: str, expected: int, last: AuditRecord | None) -> str:
    if record.trail != trail:
        return f"this record belongs to another trail, {record.trail}"
    if record.sequence != expected:
        return f"this is record {record.sequence}, where record {expected} belongs"
    if record.previous != (last or Head(trail=trail)).hash:
        return f"record {expected} does not continue what stands before"
    return ""


def _problem(line: Line, sequence: int, what: str) -> Finding:
    return Finding(Severity.PROBLEM, what, line.where, line.number, sequence)


def _torn(line: Line, what: str) -> Finding:
    text = f"torn, at line {line.number}: a writer was killed; {what}"
    return Finding(Severity.NOTICE, text, line.where, line.number)
