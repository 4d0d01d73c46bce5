"""Other trails of this host in the stores: somebody who knows why accepts one by a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onyx_pipelines.audit.records import AuditRecord, Outcome, Phase
from onyx_pipelines.audit.segments import CopiedTrail, host_prefix, read_copies
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.errors import NotFoundError
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.store import Store

ACCEPT_ACTION = "audit.accept"


@dataclass(frozen=True)
class Accepted:
    """A trail as far as it was accepted: what comes later was not."""

    trail: str
    records: int
    head: str

    def covers(self, copy: CopiedTrail) -> bool:
        """Whether the copy holds no more than was accepted."""
        last = copy.report.last
        if last is None or copy.trail != self.trail or last.sequence > self.records:
            return False
        return last.sequence < self.records or last.hash == self.head

    def as_parameters(self, reason: str) -> dict[str, str | int]:
        """Of the record that says so."""
        return {
            "trail": self.trail,
            "records": self.records,
            "head": self.head,
            "reason": reason,
        }


def accepted_trails(records: Sequence[AuditRecord]) -> list[Accepted]:
    """What the records of a trail accept."""
    done = {
        record.operation
        for record in records
        if record.phase is Phase.END and record.result and record.result.outcome is Outcome.OK
    }
    accepted = []
    for record in records:
        values = record.parameters
        if record.action == ACCEPT_ACTION and record.operation in done and "trail" in values:
            count = values.get("records")
            known = count if isinstance(count, int) else 0
            accepted.append(Accepted(str(values["trail"]), known, str(values.get("head"))))
    return accepted


def to_accept(trail: Trail, stores: Sequence[Store], trail_id: str) -> Accepted:
    """Another trail of this host, as far as the store that has most of it goes.

    Raises:
        NotFoundError: no store has it.
        StoreError: a store cannot be read.
    """
    copies = [
        copy
        for store in stores
        for copy in read_copies(store, Signers(), host_prefix(trail.host))
        if copy.trail == trail_id
    ]
    ends = [copy.report.last for copy in copies if copy.report.last]
    if not ends:
        raise NotFoundError(
            f"No store has a trail {trail_id} of this host.",
            remedy="`onyx audit verify` names those that there are.",
        )
    last = max(ends, key=lambda link: link.sequence)
    return Accepted(trail_id, last.sequence, last.hash)
