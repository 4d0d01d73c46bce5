"""Where copies of trails lie in a store, and how they are read back.

audit/<host>/<trail>/<first>-<last>.jsonl: records `first` to `last`, never written again. `sets/`,
which the catalog and pruning look at, is elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

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
from onyx_pipelines.vault.stores.store import Store

_READERS = 8
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


@dataclass(frozen=True)
class CopiedTrail:
    """A trail as a store has it."""

    store: str
    host: str
    trail: str
    report: ChainReport
    lines: tuple[Line, ...]


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


def read_copies(store: Store, prefix: str = AUDIT_PREFIX) -> list[CopiedTrail]:
    """Every trail that the store has copies of, each with what its chain shows.

    Raises:
        StoreError: the store cannot be listed, or a segment cannot be read.
    """
    segments = list_segments(store, prefix)
    with thread_pool(_READERS, "audit") as readers:
        contents = readers.map(lambda segment: store.get(segment.key), segments)
        read = list(zip(segments, contents, strict=True))
    return [
        _copied_trail(store, host, trail, list(group))
        for (host, trail), group in groupby(read, key=lambda pair: (pair[0].host, pair[0].trail))
    ]


def _copied_trail(
    store: Store, host: str, trail: str, read: Sequence[tuple[Segment, bytes]]
) -> CopiedTrail:
    lines = [line for segment, data in read for line in split_lines(segment.key, data)]
    report = examine(lines, head=None, of_copies=True)
    findings = [*report.findings, *_misnamed(trail, read)]
    return CopiedTrail(
        store.name,
        host,
        trail,
        ChainReport(report.trail, report.links, tuple(findings)),
        tuple(lines),
    )


def _misnamed(trail: str, read: Iterable[tuple[Segment, bytes]]) -> Iterator[Finding]:
    for segment, data in read:
        records = [parse_record(line.data) for line in split_lines(segment.key, data)]
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
