"""What a database is: rows, fingerprints, sequences and an inventory of its schema.

A restore drill reads the same facts of the restored database and compares them exactly.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FingerprintMethod = Literal["text", "columns", "named text", "named columns"]
ExpressionForm = Literal["expression", "query", "domain check", "trigger", "rule", "function"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableFacts(_Facts):
    """One table's content.

    `fingerprint` is the sum, over the rows that were read, of a 64-bit hash that PostgreSQL
    computes of each row: independent of order, sensitive to every value and to duplicates, and no
    defence against somebody who wants a collision. Of a table above the limit only rows are summed
    whose key's hash is 0 modulo `sample_modulus`; a restored copy is read by the same rule and
    method, so it has the same rows. None: it has no primary key to sample by.

    `fingerprint_method`: "named columns", the hash of the row of its columns in the order of their
    names, numbers, times, bytes and UUIDs as they are and all others as text, hashed once more
    (`hash_record_extended`, then `hashint8extended`); or "named text", the hash of the text of that
    row (`hashtextextended`, seed 0), which servers before 14 need. Sets of format version 1 have
    "columns" and "text": the same with the columns in the order of their numbers.

    `left_out`: why its rows are not in the dump; none are expected then. `rows_move_in`: the
    partitioned table that it is a part of, if a restore distributes its rows anew: the hash of an
    enum is of a number that each server gives it.
    """

    name: str
    rows: int
    fingerprint: str | None
    fingerprint_method: FingerprintMethod = "text"
    sample_modulus: Annotated[int, Field(ge=1)] = 1
    size_bytes: int
    left_out: str = ""
    rows_move_in: str = ""


class SequenceFacts(_Facts):
    """A sequence when the snapshot was taken: a restored one must not be behind it."""

    name: str
    last_value: int
    is_called: bool
    increment: int = 1
    cycles: bool = False


class ExtensionFacts(_Facts):
    """`version`: as installed in the database, not the newest that the server offers."""

    name: str
    version: str


class Expression(_Facts):
    """A text that PostgreSQL parsed, in its own words, which change when it parses them again.

    `of`: the relation whose columns it names, the base type of a domain, or nothing.
    """

    part: str
    form: ExpressionForm
    of: str = ""
    text: str


class SchemaItem(_Facts):
    """Something that a schema consists of.

    `definition` names what it is made of but for its expressions, in words of ours that are the
    same for every version of PostgreSQL; in sets of format version 1 a SHA-256 of the server's own
    words. `grants`: what was granted ("ROLE: RIGHT") and revoked ("not ROLE: RIGHT") since it was
    made, its owner called "(owner)".
    """

    kind: str
    name: str
    definition: str
    owner: str | None = None
    tablespace: str | None = None
    grants: tuple[str, ...] = ()
    expressions: tuple[Expression, ...] = ()


class LargeObjectFacts(_Facts):
    """Large objects of one owner with the same grants; `numbers`: the sum of hashes of theirs."""

    owner: str
    grants: tuple[str, ...]
    count: int
    numbers: str


class LargeObjectContent(_Facts):
    """What large objects hold: the sum of hashes of their sizes and of their pages, without zeros
    at a page's end. Of many only those count whose number's hash is 0 modulo `sample_modulus`."""

    fingerprint: str
    sample_modulus: Annotated[int, Field(ge=1)] = 1


class DatabaseProperties(_Facts):
    """What belongs to a database as such. Values of settings may be secrets."""

    owner: str
    locale_provider: str
    locale: str | None
    icu_rules: str | None
    tablespace: str
    connection_limit: int
    is_template: bool
    grants: tuple[str, ...]
    comment: Digest | None
    security_labels: dict[str, Digest]
    settings: dict[str, str]
    role_settings: dict[str, dict[str, str]]


class DatabaseFacts(_Facts):
    """One database in one snapshot. Sets of format version 1 lack what has a default here.

    `large_object_content` None: the backup role may not read them, or the server cannot trim bytes
    (before 14).
    """

    format: Literal["onyx-postgresql-facts"] = "onyx-postgresql-facts"
    format_version: Literal[1, 2] = 2
    database: str
    server_version: str
    server_major: int
    system_identifier: str | None
    encoding: str
    collation: str
    ctype: str
    size_bytes: int
    large_objects: int
    large_object_groups: tuple[LargeObjectFacts, ...] = ()
    large_object_content: LargeObjectContent | None = None
    tables: tuple[TableFacts, ...]
    sequences: tuple[SequenceFacts, ...]
    extensions: tuple[ExtensionFacts, ...]
    schema_items: tuple[SchemaItem, ...]
    properties: DatabaseProperties | None = None
    preloaded_libraries: tuple[str, ...] = ()
    preloaded_settings: dict[str, str] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


class Membership(_Facts):
    """In which role, and with which options. `grantor` None: the cluster's first superuser."""

    role: str
    admin: bool
    inherits: bool
    may_set: bool
    grantor: str | None


class RoleFacts(_Facts):
    """A role and what it may do; of its password only whether it is the same."""

    name: str
    superuser: bool
    can_login: bool
    create_role: bool
    create_database: bool
    replication: bool
    bypass_rls: bool
    member_of: tuple[str, ...]
    inherits: bool = True
    connection_limit: int = -1
    valid_until: str | None = None
    password: Digest | None = None
    memberships: tuple[Membership, ...] = ()
    settings: dict[str, str] = Field(default_factory=dict)
    comment: Digest | None = None
    security_labels: dict[str, Digest] = Field(default_factory=dict)


class TablespaceFacts(_Facts):
    """`location`: a directory of the server. `options`, `grants`: in PostgreSQL's own words."""

    name: str
    owner: str
    location: str
    options: tuple[str, ...]
    grants: tuple[str, ...]
    comment: Digest | None


class GlobalsFacts(_Facts):
    """What belongs to the whole server. Sets of format version 1 lack what has a default here.

    `settings_of_all`: what ALTER ROLE ALL has set. `predefined`: in what the server's own roles are
    members.
    """

    format: Literal["onyx-postgresql-globals-facts"] = "onyx-postgresql-globals-facts"
    format_version: Literal[1, 2] = 2
    server_version: str
    system_identifier: str | None
    databases: tuple[str, ...]
    roles: tuple[RoleFacts, ...]
    tablespaces: tuple[str, ...]
    with_passwords: bool
    first_superuser: str | None = None
    tablespace_facts: tuple[TablespaceFacts, ...] = ()
    parameter_grants: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    settings_of_all: dict[str, str] = Field(default_factory=dict)
    predefined: dict[str, tuple[Membership, ...]] = Field(default_factory=dict)


def sample_modulus(size_bytes: int, limit_bytes: int) -> int:
    """1 for a table within the limit, else the power of two that samples about that many bytes."""
    if size_bytes <= limit_bytes:
        return 1
    modulus = 1
    while modulus < 2**20 and modulus * max(limit_bytes, 1) < size_bytes:
        modulus *= 2
    return modulus
