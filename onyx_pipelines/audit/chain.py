"""Is a trail what was written? Pure: from lines to what was found, and in which line.

A chain of hashes shows any change that leaves a later record as it was. Whoever can write the file
can make the rest of it anew from some record on, consistently: that is seen only by comparing with
what he could not change (copies in the stores, a head hash that somebody wrote down), and not at
all where he changes those as well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise

from onyx_pipelines.audit.records import FIRST_PREVIOUS, Fragment, parse_record

_CLAIMED = re.compile(rb'"sequence":(\d{1,12})\b')


class Kind(StrEnum):
    TORN = "torn"
    EDITED = "edited"
    INSERTED = "inserted"
    DUPLICATE = "duplicate"
    MISSING = "missing"
    REORDERED = "reordered"
    REPLACED = "replaced"
    FOREIGN = "foreign"
    HEAD = "head"
    COPY = "copy"
    SIGNATURE = "signature"
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
        sequence: of the record concerned, where that is known.
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
class Link:
    """What the chain needs to know of one intact record."""

    where: str
    line: int
    trail: str
    sequence: int
    previous: str
    hash: str
    sealed: Fragment | None


@dataclass(frozen=True)
class Head:
    """The last record, as noted beside the trail."""

    trail: str
    sequence: int
    hash: str


@dataclass(frozen=True)
class ChainReport:
    """`links` are the intact records of the trail by sequence."""

    trail: str
    links: Mapping[int, Link]
    findings: tuple[Finding, ...]

    @property
    def last(self) -> Link | None:
        return self.links[max(self.links)] if self.links else None


def split_lines(where: str, data: bytes) -> Iterator[Line]:
    """The lines of a file; a last one without a line break is one too."""
    pieces = data.split(b"\n")
    for number, piece in enumerate(pieces, start=1):
        if number < len(pieces):
            yield Line(where, number, piece)
        elif piece:
            yield Line(where, number, piece, ended=False)


def examine(lines: Iterable[Line], *, head: Head | None, of_copies: bool = False) -> ChainReport:
    """Look at every record and how they follow one another.

    Args:
        head: what the trail should end with, if that is known.
        of_copies: the lines are those of several segments, which may overlap, and which never
            hold torn lines.
    """
    read = [(line, _link(line)) for line in lines]
    links = [link for _, link in read if link is not None]
    trail = head.trail if head else links[0].trail if links else ""
    foreign = [link for link in links if link.trail != trail]
    own = [link for link in links if link.trail == trail]
    kept, repeated = _once(own, head, quiet=of_copies)
    damaged, explained = _damaged(read, kept, head, check_seals=not of_copies)
    by_sequence = {link.sequence: link for link in kept}
    findings = [
        *(
            _problem(Kind.FOREIGN, f"belongs to another trail, {each.trail}", each)
            for each in foreign
        ),
        *repeated,
        *damaged,
        *_disorder(kept),
        *_gaps(by_sequence, explained),
        *_breaks(by_sequence),
        *(_end(by_sequence, explained, head) if head else ()),
    ]
    findings.sort(key=lambda each: (each.where, each.line or 0))
    return ChainReport(trail, dict(sorted(by_sequence.items())), tuple(findings))


def _link(line: Line) -> Link | None:
    record = parse_record(line.data)
    if record is None:
        return None
    return Link(
        line.where,
        line.number,
        record.trail,
        record.sequence,
        record.previous,
        record.hash,
        record.sealed,
    )


def _problem(kind: Kind, what: str, link: Link) -> Finding:
    text = f"record {link.sequence} {what}"
    return Finding(kind, Severity.PROBLEM, text, link.where, link.line, link.sequence)


def _once(
    links: Sequence[Link], head: Head | None, *, quiet: bool
) -> tuple[list[Link], list[Finding]]:
    """Each sequence number once: the record that its successor, or the head file, vouches for."""
    vouched = {link.sequence - 1: link.previous for link in links}
    if head:
        vouched[head.sequence] = head.hash
    position = {id(link): index for index, link in enumerate(links)}
    chosen: dict[int, Link] = {}
    findings = []
    ordered = sorted(links, key=lambda link: link.sequence)
    for sequence, group in groupby(ordered, key=lambda link: link.sequence):
        candidates = list(group)

        def trust(link: Link) -> tuple[bool, bool, int]:
            index = position[id(link)]
            before = links[index - 1] if index else None
            after = links[index + 1] if index + 1 < len(links) else None
            return (
                vouched.get(link.sequence) == link.hash,
                (before.hash if before else FIRST_PREVIOUS) == link.previous,
                # Of two equal ones the one that is followed by its successor.
                int(after is not None and after.previous == link.hash),
            )

        best = max(candidates, key=trust)
        chosen[sequence] = best
        for other in candidates:
            if other is best or (quiet and other.hash == best.hash):
                continue
            place = f"{best.where}, line {best.line}"
            if other.hash == best.hash:
                findings.append(_problem(Kind.DUPLICATE, f"stands also in {place}", other))
            else:
                what = f"was put in; the chain goes through {place}"
                findings.append(_problem(Kind.INSERTED, what, other))
    kept = set(map(id, chosen.values()))
    return [link for link in links if id(link) in kept], findings


def _damaged(
    read: Sequence[tuple[Line, Link | None]],
    kept: Sequence[Link],
    head: Head | None,
    *,
    check_seals: bool,
) -> tuple[list[Finding], set[int]]:
    """Lines that are no record: torn ones, edited records, rubbish. Also which sequence numbers
    the edited ones account for."""
    own = {(link.where, link.line) for link in kept}
    findings: list[Finding] = []
    explained: set[int] = set()
    group: list[Line] = []
    last = 0
    for line, link in read:
        if link is None:
            group.append(line)
            continue
        if check_seals and link.sealed:
            torn = b"\n".join(each.data for each in group)
            if link.sealed.sha256 == hashlib.sha256(torn).hexdigest():
                findings += [_torn(each, f"record {link.sequence} seals it") for each in group]
                group = []
            else:
                findings.append(_problem(Kind.EDITED, "seals a torn line that is gone", link))
        if (link.where, link.line) not in own:
            continue
        findings += _name(group, range(last + 1, link.sequence), explained)
        group, last = [], link.sequence
    if len(group) == 1 and not group[0].ended and not (head and head.sequence > last):
        findings.append(_torn(group[0], "the next record will seal it"))
    else:
        until = head.sequence + 1 if head else last + len(group) + 1
        findings += _name(group, range(last + 1, until), explained)
    return findings, explained


def _torn(line: Line, what: str) -> Finding:
    text = f"torn, at line {line.number}: a writer was killed; {what}"
    return Finding(Kind.TORN, Severity.NOTICE, text, line.where, line.number)


def _name(lines: Sequence[Line], sequences: range, explained: set[int]) -> Iterator[Finding]:
    """Which records the lines were, by the gap in which they stand."""
    for line in lines:
        claimed = _CLAIMED.search(line.data)
        claim = int(claimed[1]) if claimed else 0
        free = (number for number in sequences if number not in explained)
        sequence = claim if claim in sequences and claim not in explained else next(free, None)
        if sequence is not None:
            explained.add(sequence)
            text = f"record {sequence} is not as it was written"
            yield Finding(Kind.EDITED, Severity.PROBLEM, text, line.where, line.number, sequence)
        else:
            text = f"line {line.number} is no record of this trail"
            yield Finding(Kind.INSERTED, Severity.PROBLEM, text, line.where, line.number)


def _disorder(kept: Sequence[Link]) -> Iterator[Finding]:
    for found, right in zip(kept, sorted(kept, key=lambda link: link.sequence), strict=True):
        if found is not right:
            what = f"stands where record {right.sequence} belongs"
            yield _problem(Kind.REORDERED, what, found)


def _gaps(links: Mapping[int, Link], explained: set[int]) -> Iterator[Finding]:
    numbers = sorted({0, *links, *explained})
    for before, after in pairwise(numbers):
        if after - before > 1:
            following = links.get(after)
            yield Finding(
                Kind.MISSING,
                Severity.PROBLEM,
                f"{_records(before + 1, after - 1)} missing",
                following.where if following else "",
                following.line if following else None,
                before + 1,
            )


def _breaks(links: Mapping[int, Link]) -> Iterator[Finding]:
    """Intact records that do not continue one another: somebody made one of them anew.

    Where a record fits neither its predecessor nor its successor, it is the one; where only one
    join is broken, the earlier record was changed, because the later one still has its hash.
    """
    first = links.get(1)
    if first and first.previous != FIRST_PREVIOUS:
        yield _problem(Kind.REPLACED, "claims a predecessor", first)
    run: list[int] = []
    for number in [*sorted(links), 0]:
        before, link = links.get(number - 1), links.get(number)
        if before and link and link.previous != before.hash:
            run.append(number)
            continue
        # A run of broken joins (a,a+1) … (b,b+1) holds a+1 … b; a run of one holds a.
        blamed = run[:-1] if len(run) > 1 else [each - 1 for each in run]
        for each in blamed:
            what = f"was made anew: record {each + 1} continues another one"
            yield _problem(Kind.REPLACED, what, links[each])
        run = []


def _end(links: Mapping[int, Link], explained: set[int], head: Head) -> Iterator[Finding]:
    """Does the trail end where the head file says? A killed writer leaves it one behind."""
    last = max((0, *links, *explained))
    noted = links.get(head.sequence)
    if head.sequence > last:
        yield Finding(
            Kind.MISSING,
            Severity.PROBLEM,
            f"{_records(last + 1, head.sequence)} missing at the end, by the head file",
            sequence=last + 1,
        )
    elif noted and noted.hash != head.hash:
        yield _problem(Kind.REPLACED, "is not the one that the head file names", noted)
    elif last > head.sequence + 1:
        yield Finding(
            Kind.HEAD,
            Severity.PROBLEM,
            f"the head file ends at record {head.sequence}, the trail at {last}: an old head file"
            " was put back",
            sequence=head.sequence,
        )


def _records(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
