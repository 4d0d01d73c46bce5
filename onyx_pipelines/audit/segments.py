"""Where copies of trails lie in a store, and how they are read back.

audit/<host>/<trail>/<first>-<last>.jsonl: records `first` to `last`, then a line with the host's
signature; never written again. `sets/`, which the catalog and pruning look at, is elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from onyx_pipelines.threads import thread_pool
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
    def key(self) -> str:
        return f"{host_prefix(self.host)}{self.trail}/{self.first:010}-{self.last:010}.jsonl"

    @property
    def place(self) -> bytes:
        """What its signature is bound to."""
        name = f"{self.host}/{self.trail}/{self.first:010}-{self.last:010}"
        return f"onyx-audit-trail/1/signature/{name}".encode()


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
    """The records' bytes, and what keeps their signature from counting."""

    segment: Segment
    lines: bytes
    distrust: Distrust | None


def signed_segment(segment: Segment, lines: bytes, key: SigningKey | None) -> bytes:
    """The content of the object. A host without a signing key copies all the same: losing a record
    is worse."""
    if key is None:
        return lines
    trailer = _Trailer(signature=key.sign(segment.place, lines))
    return lines + canonical_json(trailer.model_dump(mode="json")) + b"\n"


def open_segment(segment: Segment, data: bytes, signers: Signers) -> ReadSegment:
    start = data.rfind(b"\n", 0, -1) + 1
    if not data[start:].startswith(_TRAILER_START):
        return ReadSegment(segment, data, signers.distrust(None, segment.place, data))
    lines = data[:start]
    try:
        signature = _Trailer.model_validate_json(data[start:]).signature
    except ValidationError:
        what = "Its signature cannot be read."
        return ReadSegment(segment, lines, Distrust(DistrustReason.FORGED, what))
    return ReadSegment(segment, lines, signers.distrust(signature, segment.place, lines))


def host_prefix(host: str) -> str:
    """Of the trails of one host. Characters that not every store takes become `_`."""
    return f"{AUDIT_PREFIX}{safe_host(host)}/"


def safe_host(host: str) -> str:
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
        if segment.first > expected:
            runs.append(range(expected, min(segment.first, last + 1)))
        expected = max(expected, segment.last + 1)
    if expected <= last:
        runs.append(range(expected, last + 1))
    return [run for run in runs if run]


def read_copies(store: Store, signers: Signers, prefix: str = AUDIT_PREFIX) -> list[CopiedTrail]:
    """Every trail that the store has copies of, each with what its chain and signatures show.

    Raises:
        StoreError: the store cannot be listed, or a segment cannot be read.
    """
    segments = list_segments(store, prefix)
    with thread_pool(_READERS, "audit") as readers:
        contents = readers.map(lambda segment: store.get(segment.key), segments)
        pairs = zip(segments, contents, strict=True)
        read = [open_segment(segment, data, signers) for segment, data in pairs]
    return [
        _copied_trail(store, host, trail, list(group), signers)
        for (host, trail), group in groupby(
            read, key=lambda each: (each.segment.host, each.segment.trail)
        )
    ]


def _copied_trail(
    store: Store, host: str, trail: str, read: Sequence[ReadSegment], signers: Signers
) -> CopiedTrail:
    lines = [line for each in read for line in split_lines(each.segment.key, each.lines)]
    report = examine(lines, head=None, of_copies=True)
    findings = [*report.findings, *_misnamed(trail, read), *_distrusted(read, signers)]
    return CopiedTrail(
        store.name,
        host,
        trail,
        ChainReport(report.trail, report.links, tuple(findings)),
        tuple(lines),
    )


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
        yield Finding(
            Kind.SIGNATURE,
            Severity.NOTICE if early or nobody_known else Severity.PROBLEM,
            each.distrust.what,
            each.segment.key,
            sequence=each.segment.first,
        )


def _misnamed(trail: str, read: Iterable[ReadSegment]) -> Iterator[Finding]:
    for each in read:
        segment = each.segment
        records = [parse_record(line.data) for line in split_lines(segment.key, each.lines)]
        held = [(record.trail, record.sequence) for record in records if record]
        named = range(segment.first, segment.last + 1)
        # Lengths first: a name may claim any number of records.
        if len(held) != len(named) or held != [(trail, number) for number in named]:
            yield Finding(
                Kind.COPY,
                Severity.PROBLEM,
                "the object does not hold the records that its name says",
                segment.key,
                sequence=segment.first,
            )
