"""Where copies of trails lie in a store, and how they are read back.

audit/<host>/<trail>/<first>-<last>.jsonl: records `first` to `last`, then a line with the host's
signature; never written again. `sets/`, which the catalog and pruning look at, is elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pydantic import ValidationError

from onyx_pipelines.audit.chain import (
    ChainReport,
    Finding,
    Kind,
    Line,
    Severity,
    examine,
    split_lines,
)
from onyx_pipelines.audit.records import parse_record
from onyx_pipelines.core.threads import side_by_side
from onyx_pipelines.vault.layout import AUDIT_PREFIX
from onyx_pipelines.vault.records import Record, canonical_json
from onyx_pipelines.vault.signing import (
    Distrust,
    DistrustReason,
    Signature,
    Signers,
    SigningKey,
)
from onyx_pipelines.vault.stores.store import Store

_READERS = 8
_TRAILER_START = b'{"signature":'
_KEY = re.compile(r"audit/([^/]+)/([0-9a-f]{16})/(\d{10})-(\d{10})\.jsonl")


@dataclass(frozen=True, order=True)
class Segment:
    """One object with the records `first` to `last` of a trail."""

    host: str
    trail: str
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.host}/{self.trail}/{self.first:010}-{self.last:010}"

    @property
    def key(self) -> str:
        return f"{AUDIT_PREFIX}{self.name}.jsonl"

    @property
    def place(self) -> bytes:
        """What its signature is bound to."""
        return f"onyx-audit-trail/1/signature/{self.name}".encode()


@dataclass(frozen=True)
class CopiedTrail:
    """A trail as a store has it."""

    store: str
    host: str
    trail: str
    report: ChainReport
    lines: tuple[Line, ...]


class _Trailer(Record):
    """The last line of a segment."""

    signature: Signature


@dataclass(frozen=True)
class ReadSegment:
    """The records' lines, and what keeps their signature from counting."""

    segment: Segment
    lines: tuple[Line, ...]
    distrust: Distrust | None


def signed_segment(segment: Segment, lines: bytes, key: SigningKey | None) -> bytes:
    """The content of the object. A host without a signing key copies all the same: losing a record
    is worse."""
    if key is None:
        return lines
    trailer = _Trailer(signature=key.sign(segment.place, lines))
    return lines + canonical_json(trailer.model_dump(mode="json")) + b"\n"


def open_segment(segment: Segment, data: bytes, signers: Signers) -> ReadSegment:
    """The lines of an object, and whether a host that is known here signed them."""
    start = data.rfind(b"\n", 0, -1) + 1
    is_signed = data[start:].startswith(_TRAILER_START)
    body = data[:start] if is_signed else data
    try:
        trailer = _Trailer.model_validate_json(data[start:]) if is_signed else None
        distrust = signers.distrust(trailer.signature if trailer else None, segment.place, body)
    except ValidationError:
        distrust = Distrust(DistrustReason.FORGED, "Its signature cannot be read.")
    return ReadSegment(segment, tuple(split_lines(segment.key, body)), distrust)


def host_prefix(host: str) -> str:
    """Of the trails of one host."""
    return f"{AUDIT_PREFIX}{safe_host(host)}/"


def safe_host(host: str) -> str:
    """Characters that not every store takes become `_`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", host).lstrip(".")[:100] or "_"


def list_segments(store: Store, prefix: str = AUDIT_PREFIX) -> list[Segment]:
    """Every segment under the prefix, sorted. Objects of other names are none.

    Raises:
        StoreError: the store cannot be listed.
    """
    found = (_KEY.fullmatch(stored.key) for stored in store.list(prefix))
    return sorted(
        Segment(match[1], match[2], int(match[3]), int(match[4])) for match in found if match
    )


def uncovered(segments: Iterable[Segment], last: int) -> list[range]:
    """The sequence numbers up to `last` that no segment holds, as runs."""
    runs, expected = [], 1
    for segment in sorted(segments):
        runs.append(range(expected, min(segment.first, last + 1)))
        expected = max(expected, segment.last + 1)
    runs.append(range(expected, last + 1))
    return [run for run in runs if run]


def read_copies(store: Store, signers: Signers, prefix: str = AUDIT_PREFIX) -> list[CopiedTrail]:
    """Every trail that the store has copies of, each with what its chain and signatures show.

    Raises:
        StoreError: the store cannot be listed, or a segment cannot be read.
    """
    segments = list_segments(store, prefix)
    contents = side_by_side(lambda each: store.get(each.key), segments, _READERS, "audit")
    pairs = zip(segments, contents, strict=True)
    read = [open_segment(segment, data, signers) for segment, data in pairs]
    by_trail = groupby(read, key=lambda each: (each.segment.host, each.segment.trail))
    return [
        _copied_trail(store.name, host, trail, list(group), signers)
        for (host, trail), group in by_trail
    ]


def _copied_trail(
    store: str, host: str, trail: str, read: Sequence[ReadSegment], signers: Signers
) -> CopiedTrail:
    lines = tuple(line for each in read for line in each.lines)
    # Segments of processes that copied at the same time overlap.
    once = {line.data: line for line in reversed(lines)}
    report = examine([line for line in lines if once[line.data] is line], head=None, of_copies=True)
    misnamed = (_misnamed(each) for each in read)
    findings = [*report.findings, *filter(None, misnamed), *_distrusted(read, signers)]
    return CopiedTrail(store, host, trail, replace(report, findings=tuple(findings)), lines)


def _distrusted(read: Sequence[ReadSegment], signers: Signers) -> Iterator[Finding]:
    """Segments that no host known here vouches for. An honest history begins with unsigned ones
    where it is older than signatures, or than the host's key."""
    signed = [each.segment.first for each in read if each.distrust is None]
    first_signed = min(signed, default=None)
    for each in read:
        if each.distrust is None:
            continue
        unsigned = each.distrust.reason is DistrustReason.UNSIGNED
        early = unsigned and (first_signed is None or each.segment.last < first_signed)
        nobody_known = not signers.listed and each.distrust.reason is not DistrustReason.FORGED
        severity = Severity.NOTICE if early or nobody_known else Severity.PROBLEM
        yield _about(each.segment, Kind.SIGNATURE, severity, each.distrust.what)


def _misnamed(read: ReadSegment) -> Finding | None:
    segment = read.segment
    records = [parse_record(line.data) for line in read.lines]
    held = [(record.trail, record.sequence) for record in records if record]
    # Lengths first: a name may claim any number of records.
    if len(held) == segment.last - segment.first + 1 and held == [
        (segment.trail, number) for number in range(segment.first, segment.last + 1)
    ]:
        return None
    what = "the object does not hold the records that its name says"
    return _about(segment, Kind.COPY, Severity.PROBLEM, what)


def _about(segment: Segment, kind: Kind, severity: Severity, what: str) -> Finding:
    return Finding(kind, severity, what, segment.key, sequence=segment.first)
