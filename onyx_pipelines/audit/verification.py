"""Is the trail of this host what was written? Its own chain, its head file, and every copy.

Three answers: intact, damaged, and incomplete where a store could not be asked, which is no yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.audit.acceptance import Accepted, accepted_trails
from onyx_pipelines.audit.chain import (
    ChainReport,
    Finding,
    Head,
    Kind,
    Link,
    Severity,
    examine,
)
from onyx_pipelines.audit.copying import copy_failures
from onyx_pipelines.audit.records import AuditRecord, Phase, parse_record
from onyx_pipelines.audit.segments import CopiedTrail, host_prefix, read_copies
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.errors import OnyxError
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.store import Store


class Verdict(StrEnum):
    INTACT = "intact"
    DAMAGED = "damaged"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class TrailState:
    """One trail in one place ("this host", or a store's name)."""

    place: str
    host: str
    trail: str
    records: int
    head: str
    pending: int = 0


@dataclass(frozen=True)
class AuditVerification:
    """What `onyx audit verify` answers. `unasked`: stores that could not be read, and why."""

    trails: tuple[TrailState, ...]
    findings: tuple[Finding, ...]
    unasked: Mapping[str, str]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity is Severity.PROBLEM)

    @property
    def verdict(self) -> Verdict:
        if self.problems:
            return Verdict.DAMAGED
        return Verdict.INCOMPLETE if self.unasked else Verdict.INTACT


def verify_trail(trail: Trail, stores: Sequence[Store], signers: Signers) -> AuditVerification:
    """Check this host's trail, and every store's copies of it against it.

    Raises:
        AuditError: the trail cannot be read.
    """
    # Copies first: what is appended meanwhile is then not yet copied, rather than not here.
    copies: list[CopiedTrail] = []
    unasked: dict[str, str] = {}
    for store in stores:
        try:
            copies += read_copies(store, signers, host_prefix(trail.host))
        except OnyxError as error:
            unasked[store.name] = error.what
    lines, head = trail.snapshot()
    local = examine(lines, head=head)
    records = [record for line in lines if (record := parse_record(line.data))]
    findings = [*local.findings, *_headless(local, head), *_unfinished(records)]
    states = [_state("this host", trail.host, local)]
    for store in stores:
        if store.name not in unasked:
            own = [c for c in copies if (c.store, c.trail) == (store.name, local.trail)]
            findings += [finding for copy in own for finding in _compare(local, copy)]
            states.append(_copy_state(store.name, trail.host, local, own))
    accepted = accepted_trails(records)
    for copy in copies:
        if copy.trail != local.trail:
            findings += [*copy.report.findings, _other_trail(copy, accepted)]
            states.append(_state(copy.store, copy.host, copy.report))
    findings += [
        _notice(
            Kind.COPY,
            f"the last copy failed ({store}, {failure.at:%Y-%m-%d %H:%M} UTC): {failure.what}",
        )
        for store, failure in copy_failures(trail).items()
    ]
    return AuditVerification(tuple(states), tuple(findings), unasked)


def verify_copies(store: Store, signers: Signers) -> AuditVerification:
    """Check the copies in one store alone, of every host: for when the hosts are lost.

    That the end of a trail is missing cannot be seen here, unless another store has it.

    Raises:
        StoreError: it cannot be read.
    """
    copies = read_copies(store, signers)
    findings = [finding for copy in copies for finding in copy.report.findings]
    return AuditVerification(
        tuple(_state(copy.store, copy.host, copy.report) for copy in copies), tuple(findings), {}
    )


def _compare(local: ChainReport, copy: CopiedTrail) -> Iterator[Finding]:
    yield from copy.report.findings
    copied = copy.report.links
    here = local.links
    differing = [n for n, link in copied.items() if n in here and here[n].hash != link.hash]
    for first, last in _runs(differing):
        text = f"{_records(first, last)} here and in the {copy.store} store differ"
        yield Finding(
            Kind.COPY,
            Severity.PROBLEM,
            f"{text} ({_place(copied[first])})",
            here[first].where,
            here[first].line,
            first,
        )
    for first, last in _runs([number for number in copied if number not in here]):
        text = f"{_records(first, last)} of the {copy.store} store not here as written"
        yield Finding(
            Kind.MISSING,
            Severity.PROBLEM,
            f"{text} ({_place(copied[first])})",
            sequence=first,
        )


def _other_trail(copy: CopiedTrail, accepted: Sequence[Accepted]) -> Finding:
    text = (
        f"the {copy.store} store has another trail of this host, {copy.trail}, of"
        f" {len(copy.report.links)} records"
    )
    where = f"{host_prefix(copy.host)}{copy.trail}/"
    if any(each.covers(copy) for each in accepted):
        return Finding(Kind.FOREIGN, Severity.NOTICE, f"{text}; somebody accepted it", where)
    return Finding(
        Kind.FOREIGN,
        Severity.PROBLEM,
        f"{text}: the state directory was lost or replaced, or the trail was removed. Where you"
        f" know why, say so with `onyx audit accept {copy.trail} --reason TEXT`",
        where,
    )


def _headless(local: ChainReport, head: Head | None) -> Iterator[Finding]:
    # The head file follows the first record at once, so only a kill between the two explains it.
    if head is None and len(local.links) > 1:
        text = "the head file is missing or damaged; the next record makes it anew"
        yield Finding(Kind.HEAD, Severity.PROBLEM, text)


def _unfinished(records: Sequence[AuditRecord]) -> Iterator[Finding]:
    ended = {record.operation for record in records if record.phase is Phase.END}
    for record in records:
        if record.phase is Phase.BEGIN and record.operation not in ended:
            yield Finding(
                Kind.UNFINISHED,
                Severity.NOTICE,
                f"{record.action} of {record.origin.actor} has no end: it runs, or was killed",
                sequence=record.sequence,
            )


def _state(place: str, host: str, report: ChainReport, pending: int = 0) -> TrailState:
    last = report.last
    head = last.hash if last else ""
    return TrailState(place, host, report.trail, len(report.links), head, pending)


def _copy_state(
    store: str, host: str, local: ChainReport, own: Sequence[CopiedTrail]
) -> TrailState:
    copied = own[0].report if own else ChainReport(local.trail, {}, ())
    pending = sum(number not in copied.links for number in local.links)
    return _state(store, host, copied, pending)


def _notice(kind: Kind, text: str) -> Finding:
    return Finding(kind, Severity.NOTICE, text)


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    run: list[int] = []
    for number in sorted(numbers):
        if run and number != run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run.append(number)
    if run:
        yield run[0], run[-1]


def _records(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"


def _place(link: Link) -> str:
    return f"there: {link.where}, line {link.line}"
