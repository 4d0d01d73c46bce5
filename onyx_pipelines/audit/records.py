"""One record of the audit trail, its canonical line, and its hash.

The hash is SHA-256 over the canonical JSON of everything else in the record, the hash of the
record before it included. docs/security.md says the same for people.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints

from onyx_pipelines.audit.origin import Origin
from onyx_pipelines.vault.records import Record, canonical_json

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# Names of copies have ten digits.
Sequence = Annotated[int, Field(ge=1, lt=10**10)]
TrailId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class Phase(StrEnum):
    """An operation leaves two records; one that was killed leaves only the first."""

    BEGIN = "begin"
    END = "end"


class Outcome(StrEnum):
    """How an operation ended. Refused: it was not begun (a lock, a missing confirmation)."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


class Result(Record):
    """`verdict` is the operation's own word ("passed", "damaged"), `detail` one line of why."""

    outcome: Outcome
    verdict: str = ""
    detail: str = ""


class Head(Record):
    """What the next record follows: the last one, or number 0 of a trail that has none yet."""

    trail: TrailId
    sequence: int = Field(default=0, ge=0, lt=10**10)
    hash: Digest = "0" * 64


class Fragment(Record):
    """What a killed writer left between the record before and this one."""

    size_bytes: int = Field(ge=1)
    sha256: Digest


class AuditEvent(Record):
    """What a record says, without its place in the trail. Holds no secret."""

    operation: str
    phase: Phase
    action: str
    origin: Origin
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    backup_id: str | None = None
    result: Result | None = None


class AuditRecord(AuditEvent):
    """An event in its place: what stands in one line.

    Args:
        trail: which trail it belongs to; a new one begins where a host has none.
        time: when it was written, in UTC, by this host's clock.
        sealed: the torn line before this record, if there is one.
        previous: hash of the record before; 64 zeros in the first.
    """

    version: Literal[1] = 1
    trail: TrailId
    sequence: Sequence
    time: AwareDatetime
    sealed: Fragment | None = None
    previous: Digest
    hash: Digest

    @property
    def head(self) -> Head:
        return Head(trail=self.trail, sequence=self.sequence, hash=self.hash)

    def line(self) -> bytes:
        """The record's line, without the line break."""
        return canonical_json(self.model_dump(mode="json"))


def make_record(
    event: AuditEvent, *, after: Head, time: datetime, sealed: Fragment | None = None
) -> AuditRecord:
    """The event in its place, after the record that `after` is of."""
    unhashed = AuditRecord(
        **dict(event),
        trail=after.trail,
        sequence=after.sequence + 1,
        time=time,
        sealed=sealed,
        previous=after.hash,
        hash=after.hash,
    )
    return unhashed.model_copy(update={"hash": _hash_of(unhashed.model_dump(mode="json"))})


def parse_record(line: bytes) -> AuditRecord | None:
    """The record in a line, or None unless every byte of it is as it was written."""
    try:
        values = json.loads(line)
        if not isinstance(values, dict) or canonical_json(values) != line:
            return None
        record = AuditRecord.model_validate_json(line)
    except (ValueError, RecursionError):
        return None
    return record if record.hash == _hash_of(values) else None


def fragment_of(torn: bytes) -> Fragment | None:
    """What the next record says of it; None of nothing."""
    if not torn:
        return None
    return Fragment(size_bytes=len(torn), sha256=hashlib.sha256(torn).hexdigest())


def _hash_of(values: dict[str, JsonValue]) -> str:
    unhashed = {name: value for name, value in values.items() if name != "hash"}
    return hashlib.sha256(canonical_json(unhashed)).hexdigest()
