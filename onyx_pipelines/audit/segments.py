"""The copies of trails in a store: where they lie, what they hold, whose they are.

audit/<host>/<trail>/<first>-<last>.jsonl: records `first` to `last`, then a line with the host's
signature; never written again. `sets/`, which the catalog and pruning look at, is elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pydantic import ValidationError

from onyx_pipelines.audit.chain import (
    Chain,
    Finding,
    Line,
    Severity,
    examine,
    split_lines,
)
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


class _Trailer(Record):
    """The last line of a segment."""

    signature: Signature


@dataclass(frozen=True)
class ReadSegment:
    """The records' lines, and what keeps their signature from counting."""

    segment: Segment
    lines: tuple[Line, ...]
    distrust: Distrust | None

    def about(self, severity: Severity, what: str) -> Finding:
        return Finding(severity, what, self.segment.key, sequence=self.segment.first)


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
    return sorted(Segment(each[1], each[2], int(each[3]), int(each[4])) for each in found if each)


def read_copies(store: Store, signers: Signers, prefix: str = AUDIT_PREFIX) -> list[Chain]:
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
        replace(_chain_of(list(group), signers), place=store.name, host=host, trail=trail)
        for (host, trail), group in by_trail
    ]


def _chain_of(read: Sequence[ReadSegment], signers: Signers) -> Chain:
    # Segments of processes that copied at the same time overlap: each line once, the first.
    once = {line.data: line for each in reversed(read) for line in reversed(each.lines)}
    lines = [line for each in read for line in each.lines if once[line.data] is line]
    chain = examine(lines, head=None, of_copies=True)
    what = "the object does not hold the records that its name says"
    misnamed = (
        each.about(Severity.PROBLEM, what) for each in read if not _holds_what_it_says(each)
    )
    return replace(chain, findings=(*chain.findings, *misnamed, *_distrusted(read, signers)))


def _holds_what_it_says(read: ReadSegment) -> bool:
    segment = read.segment
    held = [(each.record.trail, each.record.sequence) for each in read.lines if each.record]
    # Lengths first: a name may claim any number of records.
    return len(held) == segment.last - segment.first + 1 and held == [
        (segment.trail, number) for number in range(segment.first, segment.last + 1)
    ]


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
        yield each.about(severity, each.distrust.what)
