"""What a database is: rows, fingerprints, sequences and an inventory of its schema.

A restore drill reads the same facts of the restored database and compares them exactly.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FingerprintMethod = Literal["text", "columns"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableFacts(_Facts):
    """One table's content.

    `fingerprint` is the sum, over the rows that were read, of a 64-bit hash that PostgreSQL
    computes of each row: independent of order, sensitive to every value and to duplicates, and no
    defence against somebody who wants a collision. Of a table above the limit only rows are summed
    whose key's hash is 0 modulo `sample_modulus`; a restored copy is read by the same rule and
    method, so it has the same rows. None: it has no primary key to sample by.

    `fingerprint_method`: "text", the hash of the row's text (`hashtextextended`, seed 0), which
    servers before 14 need; or "columns", the hash of the row of its columns, numbers, times, bytes
    and UUIDs as they are and all others as text, hashed once more (`hash_record_extended`, then
    `hashint8extended`).
    """

    name: str
    rows: int
    fingerprint: str | None
    fingerprint_method: FingerprintMethod = "text"
    sample_modulus: Annotated[int, Field(ge=1)] = 1
    size_bytes: int


class SequenceFacts(_Facts):
    """A sequence when the snapshot was taken: a restored one must not be behind it."""

    name: str
    last_value: int
    is_called: bool
    increment: int = 1
    cycles: bool = False


class ExtensionFacts(_Facts):
    name: str
    version: str


class SchemaItem(_Facts):
    """Something that a schema consists of. `definition` is a SHA-256 of PostgreSQL's own words for
    it, which may change from one major version to the next."""

    kind: str
    name: str
    definition: Digest


class DatabaseFacts(_Facts):
    """One database in one snapshot."""

    format: Literal["onyx-postgresql-facts"] = "onyx-postgresql-facts"
    format_version: Literal[1] = 1
    database: str
    server_version: str
    server_major: int
    system_identifier: str | None
    encoding: str
    collation: str
    ctype: str
    size_bytes: int
    large_objects: int
    tables: tuple[TableFacts, ...]
    sequences: tuple[SequenceFacts, ...]
    extensions: tuple[ExtensionFacts, ...]
    schema_items: tuple[SchemaItem, ...]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def schema_digest(self) -> str:
        """SHA-256 over the inventory."""
        lines = sorted(f"{i.kind}\t{i.name}\t{i.definition}\n" for i in self.schema_items)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class RoleFacts(_Facts):
    """A role and what it may do; never its password."""

    name: str
    superuser: bool
    can_login: bool
    create_role: bool
    create_database: bool
    replication: bool
    bypass_rls: bool
    member_of: tuple[str, ...]


class GlobalsFacts(_Facts):
    """What belongs to the whole server."""

    format: Literal["onyx-postgresql-globals-facts"] = "onyx-postgresql-globals-facts"
    format_version: Literal[1] = 1
    server_version: str
    system_identifier: str | None
    databases: tuple[str, ...]
    roles: tuple[RoleFacts, ...]
    tablespaces: tuple[str, ...]
    with_passwords: bool


def sample_modulus(size_bytes: int, limit_bytes: int) -> int:
    """1 for a table within the limit, else the power of two that samples about that many bytes."""
    if size_bytes <= limit_bytes:
        return 1
    modulus = 1
    while modulus < 2**20 and modulus * max(limit_bytes, 1) < size_bytes:
        modulus *= 2
    return modulus
