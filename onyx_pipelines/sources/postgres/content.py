"""Reads the facts that need every row: exact counts and order-independent fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from onyx_pipelines.errors import SourceError
from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    FingerprintMethod,
    SequenceFacts,
    TableFacts,
    sample_modulus,
)
from onyx_pipelines.sources.postgres.inventory import (
    read_extensions,
    read_schema,
    read_sequences,
    read_system_identifier,
    server_major,
    server_version,
)

Connection = psycopg.Connection[Any]

# The text of a row must be the same on every server, whatever its configuration.
CANONICAL_SETTINGS = (
    "SET LOCAL datestyle = 'ISO, MDY'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL xmloption = 'content'",
    "SET LOCAL lc_monetary = 'C'",
    "SET LOCAL search_path = pg_catalog",
    # Rows that a policy would hide are an error, as they are for pg_dump.
    "SET LOCAL row_security = off",
)

# Types whose values are equal only if their texts are, and which are cheaper to hash as they are.
# Others are not: 1.0 equals 1.00, and an enum's hash is that of a number of its own server.
_EXACT_TYPES = "'{bool,int2,int4,int8,uuid,bytea,date,timestamp,timestamptz}'::regtype[]::oid[]"

_TABLES = f"""
SELECT format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid), c.oid,
       (SELECT string_agg(format('t.%I', a.attname), ',' ORDER BY k.position)
        FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(number, position), pg_attribute a
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid
          AND a.attnum = k.number),
       (SELECT string_agg(CASE WHEN a.atttypid = ANY ({_EXACT_TYPES}) THEN format('t.%I', a.attname)
                               ELSE format('t.%I::text COLLATE "C"', a.attname) END,
                          ',' ORDER BY a.attnum)
        FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""  # noqa: S608  (identifiers are quoted)

_NAMES = f"SELECT name FROM ({_TABLES}) listed (name, size_bytes, id, key, columns)"  # noqa: S608

# 64 bits, and the same in every version since 11, because hash partitions rely on it. MD5 takes
# more than twice the time, which a backup would spend next to pg_dump on the same server.
_TEXT_HASH = 'hashtextextended({row}::text COLLATE "C", 0)'
# Takes less than half of that again. A record's hash is linear in those of its columns: without
# the second hash, values that two rows exchanged would leave the sum as it was.
_COLUMNS_HASH = "hashint8extended(hash_record_extended(ROW({columns}), 0), 0)"
_COLUMNS_HASH_SINCE = 14


@dataclass(frozen=True)
class Inventory:
    """What the catalogs say, and which tables are still to be read."""

    facts: DatabaseFacts
    tables: tuple[_Table, ...]

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(table.name for table in self.tables)

    def only(self, names: Collection[str]) -> Inventory:
        """The same with these tables alone."""
        return replace(self, tables=tuple(each for each in self.tables if each.name in names))


@dataclass(frozen=True)
class _Table:
    name: str
    size_bytes: int
    key: str | None
    columns: str | None


def use_canonical_settings(connection: Connection) -> None:
    """For the rest of the transaction."""
    for statement in CANONICAL_SETTINGS:
        connection.execute(statement.encode())


def list_tables(connection: Connection) -> tuple[str, ...]:
    """Names, as they stand in a query, of the tables that hold rows."""
    return tuple(name for (name,) in connection.execute(_NAMES.encode()).fetchall())


def read_inventory(
    connection: Connection, sequences: tuple[SequenceFacts, ...] | None = None
) -> Inventory:
    """Everything but the content of tables, in the transaction's snapshot."""
    row = connection.execute(
        "SELECT d.datname, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,"
        " pg_database_size(d.oid), (SELECT count(*) FROM pg_largeobject_metadata)"
        " FROM pg_database d WHERE d.datname = current_database()"
    ).fetchone()
    if row is None:
        raise SourceError("The server does not list its own database.", remedy="Try again.")
    name, encoding, collation, ctype, size, large_objects = row
    tables = tuple(
        _Table(name, size, key, columns)
        for name, size, _, key, columns in connection.execute(_TABLES.encode()).fetchall()
    )
    facts = DatabaseFacts(
        database=name,
        server_version=server_version(connection),
        server_major=server_major(connection),
        system_identifier=read_system_identifier(connection),
        encoding=encoding,
        collation=collation,
        ctype=ctype,
        size_bytes=size,
        large_objects=large_objects,
        tables=(),
        sequences=read_sequences(connection) if sequences is None else sequences,
        extensions=read_extensions(connection),
        schema_items=read_schema(connection),
    )
    return Inventory(facts, tables)


def read_content(
    connection: Connection,
    inventory: Inventory,
    *,
    fingerprint_max_bytes: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> DatabaseFacts:
    """Count and fingerprint every table; needs `use_canonical_settings`.

    Raises:
        SourceError: `cancelled` became true between two tables.
    """
    method: FingerprintMethod = (
        "columns" if inventory.facts.server_major >= _COLUMNS_HASH_SINCE else "text"
    )
    tables = []
    for table in inventory.tables:
        if cancelled():
            raise SourceError("Reading the facts was cancelled.", remedy="See the other error.")
        tables.append(_read_table(connection, table, fingerprint_max_bytes, method))
    return inventory.facts.model_copy(update={"tables": tuple(tables)})


def read_content_like(
    connection: Connection, inventory: Inventory, expected: DatabaseFacts
) -> DatabaseFacts:
    """The same for a restored copy: each table by the rule that `expected` was read by."""
    rules = {
        table.name: (
            None if table.fingerprint is None else table.sample_modulus,
            table.fingerprint_method,
        )
        for table in expected.tables
    }
    tables = tuple(
        _fingerprinted(connection, table, *rules.get(table.name, (1, "text")))
        for table in inventory.tables
    )
    return inventory.facts.model_copy(update={"tables": tables})


def _read_table(
    connection: Connection, table: _Table, limit_bytes: int, method: FingerprintMethod
) -> TableFacts:
    modulus = sample_modulus(table.size_bytes, limit_bytes)
    return _fingerprinted(
        connection, table, None if modulus > 1 and not table.key else modulus, method
    )


def _fingerprinted(
    connection: Connection, table: _Table, modulus: int | None, method: FingerprintMethod
) -> TableFacts:
    """`modulus` None: rows are counted only."""
    if method == "columns" and table.columns:
        row_hash = _COLUMNS_HASH.format(columns=table.columns)
    else:
        row_hash = _TEXT_HASH.format(row="t")
    if modulus is None:
        what = "NULL"
    elif modulus == 1:
        what = f"coalesce(sum({row_hash}), 0)"
    else:
        key_hash = _TEXT_HASH.format(row=f"ROW({table.key})")
        what = f"coalesce(sum(CASE WHEN {key_hash} & {modulus - 1} = 0 THEN {row_hash} END), 0)"
    row = connection.execute(
        f"SELECT count(*), {what} FROM ONLY {table.name} t".encode()  # noqa: S608  (quoted by %I)
    ).fetchone()
    rows, fingerprint = row or (0, None)
    return TableFacts(
        name=table.name,
        rows=rows,
        fingerprint=None if fingerprint is None else str(fingerprint),
        fingerprint_method=method,
        sample_modulus=modulus or 1,
        size_bytes=table.size_bytes,
    )
