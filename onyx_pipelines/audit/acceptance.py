"""Other trails of this host in the stores: somebody who knows why accepts one by a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from pydantic import ValidationError

from onyx_pipelines.audit.records import AuditRecord, Outcome
from onyx_pipelines.audit.segments import CopiedTrail, host_prefix, read_copies
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.vault.records import Record
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.store import Store

ACCEPT_ACTION = "audit.accept"


class Accepted(Record):
    """A trail as far as it was accepted: what comes later was not. The parameters of the record
    that says so."""

    trail: str
    records: int
    head: str
    reason: str

    def covers(self, copy: CopiedTrail) -> bool:
        """Whether the copy holds no more than was accepted."""
        last = copy.report.last
        if last is None or copy.trail != self.trail or last.sequence > self.records:
            return False
        return last.sequence < self.records or last.hash == self.head


def accepted_trails(records: Sequence[AuditRecord]) -> Iterator[Accepted]:
    """What the records of a trail accept."""
    done = {each.operation for each in records if each.result and each.result.outcome is Outcome.OK}
    for record in records:
        if record.action == ACCEPT_ACTION and record.operation in done:
            with suppress(ValidationError):
                yield Accepted.model_validate(record.parameters)


def to_accept(trail: Trail, stores: Sequence[Store], trail_id: str, reason: str) -> Accepted:
    """Another trail of this host, as far as the store that has most of it goes.

    Raises:
        NotFoundError: no store has it.
        StoreError: a store cannot be read.
    """
    found = (
        copy.report.last
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
