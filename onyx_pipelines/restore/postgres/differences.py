"""Compares what a database was with what it is after a restore: exactly, and naming each thing.

Pure: both sides are facts. What the facts cannot decide is listed too and is never taken for equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    GlobalsFacts,
    RoleFacts,
    SchemaItem,
    SequenceFacts,
    TableFacts,
)

MISSING = "missing"
PRESENT = "present"


class Aspect(StrEnum):
    """What was compared."""

    ENCODING = "encoding"
    TABLE = "table"
    ROWS = "rows"
    CONTENT = "content"
    SEQUENCE = "sequence"
    EXTENSION = "extension"
    SCHEMA = "schema"
    LARGE_OBJECTS = "large objects"
    ROLE = "role"
    TABLESPACE = "tablespace"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was. Texts name things and counts, never a row's content."""

    aspect: Aspect
    name: str
    expected: str
    found: str


@dataclass(frozen=True)
class Undecided:
    """One thing that the facts cannot decide, and why."""

    aspect: Aspect
    name: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    differences: tuple[Difference, ...]
    undecided: tuple[Undecided, ...]


def compare(expected: DatabaseFacts, found: DatabaseFacts) -> Comparison:
    """What differs in one database; `found` was read by the sampling rules of `expected`.

    Sizes, names of databases and system identifiers are not compared: they differ by nature.
    """
    return Comparison(
        differences=(
            *_encoding(expected, found),
            *_tables(expected, found),
            *_sequences(expected, found),
            *_extensions(expected, found),
            *_schema(expected, found),
            *_large_objects(expected, found),
        ),
        undecided=tuple(_undecided(expected, found)),
    )


def compare_globals(expected: GlobalsFacts, found: GlobalsFacts) -> Comparison:
    """What differs in roles and tablespaces. Roles that were not there before are no matter."""
    before = {role.name: role for role in expected.roles}
    after = {role.name: role for role in found.roles}
    differences = [
        *_missing(Aspect.ROLE, before, after),
        *(
            Difference(Aspect.ROLE, name, _role(before[name]), _role(after[name]))
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ),
        *_missing(Aspect.TABLESPACE, expected.tablespaces, found.tablespaces),
    ]
    return Comparison(tuple(differences), ())


def _encoding(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    before = f"{expected.encoding}, {expected.collation}, {expected.ctype}"
    after = f"{found.encoding}, {found.collation}, {found.ctype}"
    if before != after:
        yield Difference(Aspect.ENCODING, expected.database, before, after)


def _tables(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    before = {table.name: table for table in expected.tables}
    after = {table.name: table for table in found.tables}
    yield from _missing(Aspect.TABLE, before, after)
    yield from _unexpected(Aspect.TABLE, before, after)
    for name in sorted(before.keys() & after.keys()):
        yield from _content(before[name], after[name])


def _content(expected: TableFacts, found: TableFacts) -> Iterator[Difference]:
    if expected.rows != found.rows:
        yield Difference(Aspect.ROWS, expected.name, f"{expected.rows} rows", f"{found.rows} rows")
    elif (
        expected.fingerprint is not None
        and (expected.sample_modulus, expected.fingerprint_method)
        == (found.sample_modulus, found.fingerprint_method)
        and expected.fingerprint != found.fingerprint
    ):
        yield Difference(
            Aspect.CONTENT,
            expected.name,
            f"fingerprint {expected.fingerprint}",
            f"fingerprint {found.fingerprint}",
        )


def _sequences(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    before = {sequence.name: sequence for sequence in expected.sequences}
    after = {sequence.name: sequence for sequence in found.sequences}
    yield from _missing(Aspect.SEQUENCE, before, after)
    for name in sorted(before.keys() & after.keys()):
        if _is_behind(after[name], before[name]):
            yield Difference(
                Aspect.SEQUENCE,
                name,
                f"{_position(before[name])} or further",
                _position(after[name]),
            )


def _is_behind(found: SequenceFacts, expected: SequenceFacts) -> bool:
    """Whether it may give out a value again. One that cycles does so anyhow."""
    if expected.cycles:
        return False
    ahead = (found.last_value - expected.last_value) * (1 if expected.increment > 0 else -1)
    return ahead < 0 or (ahead == 0 and expected.is_called and not found.is_called)


def _position(sequence: SequenceFacts) -> str:
    return f"{sequence.last_value} {'given out' if sequence.is_called else 'to come'}"


def _extensions(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    yield from _missing(
        Aspect.EXTENSION,
        [extension.name for extension in expected.extensions],
        [extension.name for extension in found.extensions],
    )


def _schema(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    before, after = _by_name(expected.schema_items), _by_name(found.schema_items)
    yield from _missing(Aspect.SCHEMA, before, after)
    yield from _unexpected(Aspect.SCHEMA, before, after)
    if expected.server_major != found.server_major:
        return
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield Difference(
                Aspect.SCHEMA,
                name,
                f"definition {before[name][:12]}",
                f"definition {after[name][:12]}",
            )


def _by_name(items: Iterable[SchemaItem]) -> dict[str, str]:
    return {f"{item.kind} {item.name}": item.definition for item in items}


def _large_objects(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    if expected.large_objects != found.large_objects:
        yield Difference(
            Aspect.LARGE_OBJECTS,
            expected.database,
            str(expected.large_objects),
            str(found.large_objects),
        )


def _undecided(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Undecided]:
    after = {table.name: table for table in found.tables}
    for table in expected.tables:
        restored = after.get(table.name)
        if restored is None or restored.rows != table.rows:
            continue
        if table.fingerprint is None:
            yield Undecided(
                Aspect.CONTENT,
                table.name,
                "its rows were only counted: it is above ONYX_PG_FINGERPRINT_MAX_BYTES and has no"
                " primary key to sample by",
            )
        elif (table.sample_modulus, table.fingerprint_method) != (
            restored.sample_modulus,
            restored.fingerprint_method,
        ):
            yield Undecided(Aspect.CONTENT, table.name, "the two were read by different rules")
    if expected.server_major != found.server_major:
        yield Undecided(
            Aspect.SCHEMA,
            expected.database,
            f"PostgreSQL {expected.server_major} and {found.server_major} may word definitions"
            " differently: only their names were compared",
        )
    if expected.large_objects:
        yield Undecided(
            Aspect.LARGE_OBJECTS, expected.database, "they were counted, their content not compared"
        )
    versions = {extension.name: extension.version for extension in found.extensions}
    for extension in expected.extensions:
        version = versions.get(extension.name, extension.version)
        if version != extension.version:
            yield Undecided(
                Aspect.EXTENSION,
                extension.name,
                f"version {extension.version} was restored as {version}, which is what is installed"
                " there",
            )


def _missing(aspect: Aspect, before: Iterable[str], after: Iterable[str]) -> Iterator[Difference]:
    for name in sorted(set(before) - set(after)):
        yield Difference(aspect, name, PRESENT, MISSING)


def _unexpected(
    aspect: Aspect, before: Iterable[str], after: Iterable[str]
) -> Iterator[Difference]:
    for name in sorted(set(after) - set(before)):
        yield Difference(aspect, name, MISSING, PRESENT)


def _role(role: RoleFacts) -> str:
    rights = {
        "superuser": role.superuser,
        "login": role.can_login,
        "createrole": role.create_role,
        "createdb": role.create_database,
        "replication": role.replication,
        "bypassrls": role.bypass_rls,
    }
    words = [name for name, given in rights.items() if given]
    return ", ".join([*words, *(f"member of {group}" for group in role.member_of)]) or "no rights"
