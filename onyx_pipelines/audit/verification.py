"""Is the trail of this host what was written? Its own chain, its head file, and every copy.

Three answers: intact, damaged, and incomplete where a store could not be asked, which is no yes.
Another trail of this host in a store is a problem until somebody who knows why accepts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import ValidationError

from onyx_pipelines.audit.chain import Chain, Finding, Severity, examine
from onyx_pipelines.audit.copying import copy_failures
from onyx_pipelines.audit.records import AuditRecord, Outcome, Phase
from onyx_pipelines.audit.segments import host_prefix, read_copies
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.core.text import count_text, moment_text
from onyx_pipelines.vault.records import Record
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.store import Store

ACCEPT_ACTION = "audit.accept"


class Verdict(StrEnum):
    """Incomplete: no problem was found, and not every store could be asked."""

    INTACT = "intact"
    DAMAGED = "damaged"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class TrailState:
    """One trail in one place ("this host", or a store's name). `pending`: records not yet there."""

    place: str
    host: str
    trail: str
    records: int
    head: str
    pending: int

    @classmethod
    def of(cls, chain: Chain, *, pending: int = 0) -> TrailState:
        head = chain.last.hash if chain.last else ""
        return cls(chain.place, chain.host, chain.trail, len(chain.records), head, pending)


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


class Accepted(Record):
    """A trail as far as it was accepted: what comes later was not. The parameters of the record
    that says so."""

    trail: str
    records: int
    head: str
    reason: str

    def covers(self, copy: Chain) -> bool:
        """Whether the copy holds no more than was accepted."""
        last = copy.last
        if last is None or copy.trail != self.trail or last.sequence > self.records:
            return False
        return last.sequence < self.records or last.hash == self.head


def verify_trail(trail: Trail, stores: Sequence[Store], signers: Signers) -> AuditVerification:
    """Check this host's trail, and every store's copies of it against it.

    Raises:
        AuditError: the trail cannot be read.
    """
    # Copies first: what is appended meanwhile is then not yet copied, rather than not here.
    copies: dict[str, list[Chain]] = {}
    unasked: dict[str, str] = {}
    for store in stores:
        try:
            copies[store.name] = read_copies(store, signers, host_prefix(trail.host))
        except OnyxError as error:
            unasked[store.name] = error.what
    lines, head = trail.snapshot()
    local = replace(examine(lines, head=head), host=trail.host)
    records = [line.record for line in local.records.values() if line.record]
    findings = [*local.findings]
    # The head file follows the first record at once, so only a kill between the two explains it.
    if head is None and len(records) > 1:
        what = "the head file is missing or damaged; the next record makes it anew"
        findings.append(Finding(Severity.PROBLEM, what))
    findings += _unfinished(records)
    states = [TrailState.of(local)]
    for place, found in copies.items():
        nothing = Chain(local.trail, place=place, host=trail.host)
        own = next((copy for copy in found if copy.trail == local.trail), nothing)
        states.append(TrailState.of(own, pending=len(local.records.keys() - own.records)))
        findings += [*own.findings, *_difference(local, own)]
        for other in (copy for copy in found if copy.trail != local.trail):
            states.append(TrailState.of(other))
            findings += [*other.findings, _other_trail(other, records)]
    for place, failure in copy_failures(trail).items():
        what = f"the last copy failed ({place}, {moment_text(failure.at)}): {failure.what}"
        findings.append(Finding(Severity.NOTICE, what))
    return AuditVerification(tuple(states), tuple(findings), unasked)


def verify_copies(store: Store, signers: Signers) -> AuditVerification:
    """Check the copies in one store alone, of every host: for when the hosts are lost.

    That the end of a trail is missing cannot be seen here, unless another store has it.

    Raises:
        StoreError: it cannot be read.
    """
    copies = read_copies(store, signers)
    findings = tuple(finding for copy in copies for finding in copy.findings)
    return AuditVerification(tuple(map(TrailState.of, copies)), findings, {})


def to_accept(trail: Trail, stores: Sequence[Store], trail_id: str, reason: str) -> Accepted:
    """Another trail of this host, as far as the store that has most of it goes.

    Raises:
        NotFoundError: no store has it.
        StoreError: a store cannot be read.
    """
    found = (
        copy.last
        for store in stores
        for copy in read_copies(store, Signers(), host_prefix(trail.host))
        if copy.trail == trail_id
    )
    last = max(filter(None, found), key=lambda record: record.sequence, default=None)
    if last is None:
        raise NotFoundError(
            f"No store has a trail {trail_id} of this host.",
            remedy="`onyx audit verify` names those that there are.",
        )
    return Accepted(trail=trail_id, records=last.sequence, head=last.hash, reason=reason)


def _difference(local: Chain, copy: Chain) -> Iterator[Finding]:
    """The first record that this host and a copy do not have alike."""
    here, there = local.records, copy.records
    unlike = [n for n in sorted(there) if n not in here or here[n].data != there[n].data]
    if not unlike:
        return
    first = unlike[0]
    place = f"there: {there[first].where}, line {there[first].number}"
    more = f"; {len(unlike) - 1} more are not alike" if len(unlike) > 1 else ""
    if first in here:
        what = f"record {first} here and in the {copy.place} store differ ({place}){more}"
        where, number = here[first].where, here[first].number
        yield Finding(Severity.PROBLEM, what, where, number, first)
    else:
        what = f"record {first} of the {copy.place} store is not here as written ({place}){more}"
        yield Finding(Severity.PROBLEM, what, sequence=first)


def _other_trail(copy: Chain, records: Sequence[AuditRecord]) -> Finding:
    where = f"{host_prefix(copy.host)}{copy.trail}/"
    what = (
        f"the {copy.place} store has another trail of this host, {copy.trail}, of"
        f" {count_text(len(copy.records), 'record')}"
    )
    if any(each.covers(copy) for each in _accepted(records)):
        what = f"{what}; somebody accepted it"
        return Finding(Severity.NOTICE, what, where)
    what = (
        f"{what}: the state directory was lost or replaced, or the trail was removed. Where you"
        f" know why, say so with `onyx audit accept {copy.trail} --reason TEXT`"
    )
    return Finding(Severity.PROBLEM, what, where)


def _accepted(records: Sequence[AuditRecord]) -> Iterator[Accepted]:
    done = {each.operation for each in records if each.result and each.result.outcome is Outcome.OK}
    for record in records:
        if record.action == ACCEPT_ACTION and record.operation in done:
            with suppress(ValidationError):  # it accepts nothing, so the finding stays
                yield Accepted.model_validate(record.parameters)


def _unfinished(records: Sequence[AuditRecord]) -> Iterator[Finding]:
    ended = {record.operation for record in records if record.phase is Phase.END}
    for record in records:
        if record.phase is Phase.BEGIN and record.operation not in ended:
            what = f"{record.action} of {record.origin.actor} has no end: it runs, or was killed"
            yield Finding(Severity.NOTICE, what, sequence=record.sequence)
