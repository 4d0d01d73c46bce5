"""Is the trail of this host what was written? Its own chain, its head file, and every copy.

Three answers: intact, damaged, and incomplete where a store could not be asked, which is no yes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.audit.acceptance import Accepted, accepted_trails
from onyx_pipelines.audit.chain import ChainReport, Finding, Kind, Severity, examine
from onyx_pipelines.audit.copying import CopyFailure, copy_failures
from onyx_pipelines.audit.records import AuditRecord, Phase
from onyx_pipelines.audit.segments import CopiedTrail, host_prefix, read_copies
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import moment_text
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
    copies: dict[str, list[CopiedTrail]] = {}
    unasked: dict[str, str] = {}
    for store in stores:
        try:
            copies[store.name] = read_copies(store, signers, host_prefix(trail.host))
        except OnyxError as error:
            unasked[store.name] = error.what
    lines, head = trail.snapshot()
    local = examine(lines, head=head)
    records = [placed.record for placed in local.records.values()]
    accepted = list(accepted_trails(records))
    findings = list(local.findings)
    # The head file follows the first record at once, so only a kill between the two explains it.
    if head is None and len(records) > 1:
        what = "the head file is missing or damaged; the next record makes it anew"
        findings.append(Finding(Kind.HEAD, Severity.PROBLEM, what))
    findings += _unfinished(records)
    states = [_state("this host", trail.host, local)]
    for place, found in copies.items():
        own = _copy_of(local.trail, found)
        states.append(_state(place, trail.host, own, len(local.records.keys() - own.records)))
        findings += [*own.findings, *_difference(local, own, place)]
        for other in (copy for copy in found if copy.trail != local.trail):
            states.append(_state(place, other.host, other.report))
            findings += [*other.report.findings, _other_trail(other, accepted)]
    return AuditVerification(
        tuple(states), (*findings, *map(_not_copied, copy_failures(trail).items())), unasked
    )


def verify_copies(store: Store, signers: Signers) -> AuditVerification:
    """Check the copies in one store alone, of every host: for when the hosts are lost.

    That the end of a trail is missing cannot be seen here, unless another store has it.

    Raises:
        StoreError: it cannot be read.
    """
    copies = read_copies(store, signers)
    return AuditVerification(
        tuple(_state(copy.store, copy.host, copy.report) for copy in copies),
        tuple(finding for copy in copies for finding in copy.report.findings),
        {},
    )


def _copy_of(trail: str, found: Sequence[CopiedTrail]) -> ChainReport:
    return next((copy.report for copy in found if copy.trail == trail), ChainReport(trail, {}))


def _difference(local: ChainReport, copy: ChainReport, store: str) -> Iterator[Finding]:
    """The first record that this host and a copy do not have alike."""
    here, there = local.records, copy.records
    unlike = sorted(
        number
        for number, copied in there.items()
        if number not in here or here[number].record.hash != copied.record.hash
    )
    if not unlike:
        return
    first = unlike[0]
    place = f"there: {there[first].line.where}, line {there[first].line.number}"
    more = f"; {len(unlike) - 1} more are not alike" if len(unlike) > 1 else ""
    if first in here:
        what = f"record {first} here and in the {store} store differ ({place}){more}"
        line = here[first].line
        yield Finding(Kind.COPY, Severity.PROBLEM, what, line.where, line.number, first)
    else:
        what = f"record {first} of the {store} store is not here as written ({place}){more}"
        yield Finding(Kind.COPY, Severity.PROBLEM, what, sequence=first)


def _other_trail(copy: CopiedTrail, accepted: Sequence[Accepted]) -> Finding:
    what = (
        f"the {copy.store} store has another trail of this host, {copy.trail}, of"
        f" {len(copy.report.records)} records"
    )
    where = f"{host_prefix(copy.host)}{copy.trail}/"
    if any(each.covers(copy) for each in accepted):
        what = f"{what}; somebody accepted it"
        return Finding(Kind.OTHER_TRAIL, Severity.NOTICE, what, where)
    what = (
        f"{what}: the state directory was lost or replaced, or the trail was removed. Where you"
        f" know why, say so with `onyx audit accept {copy.trail} --reason TEXT`"
    )
    return Finding(Kind.OTHER_TRAIL, Severity.PROBLEM, what, where)


def _not_copied(failed: tuple[str, CopyFailure]) -> Finding:
    store, failure = failed
    what = f"the last copy failed ({store}, {moment_text(failure.at)}): {failure.what}"
    return Finding(Kind.COPY, Severity.NOTICE, what)


def _unfinished(records: Sequence[AuditRecord]) -> Iterator[Finding]:
    ended = {record.operation for record in records if record.phase is Phase.END}
    for record in records:
        if record.phase is Phase.BEGIN and record.operation not in ended:
            what = f"{record.action} of {record.origin.actor} has no end: it runs, or was killed"
            yield Finding(Kind.UNFINISHED, Severity.NOTICE, what, sequence=record.sequence)


def _state(place: str, host: str, report: ChainReport, pending: int = 0) -> TrailState:
    head = report.last.hash if report.last else ""
    return TrailState(place, host, report.trail, len(report.records), head, pending)
