"""Reads the facts that need every row: exact counts and order-independent fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.postgres import large_objects
from onyx_pipelines.sources.postgres.catalog_query import (
    FIRST_OID,
    OURS,
    RELATION,
    not_of_extension,
)
from onyx_pipelines.sources.postgres.database_facts import read_preloaded, read_properties
from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    FingerprintMethod,
    SequenceFacts,
    TableFacts,
    sample_modulus,
)
from onyx_pipelines.sources.postgres.inventory import (
    read_extensions,
    read_sequences,
    read_system_identifier,
    server_major,
    server_version,
)
from onyx_pipelines.sources.postgres.schema import read_schema
from onyx_pipelines.sources.postgres.schema_version_1 import read_schema_1
from onyx_pipelines.sources.postgres.session_encoding import encoded, use_readable_encoding

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
    # So must the words be that the server has for a definition.
    "SET LOCAL quote_all_identifiers = off",
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL transform_null_equals = off",
    # To compile a query on catalogs takes longer than to run it.
    "SET LOCAL jit = off",
)

# Types whose values are equal only if their texts are, and which are cheaper to hash as they are.
# Others are not: 1.0 equals 1.00, and an enum's hash is that of a number of its own server.
_EXACT_TYPES = "'{bool,int2,int4,int8,uuid,bytea,date,timestamp,timestamptz}'::regtype[]::oid[]"

# Ordinary tables of ours, and those of extensions whose rows are in a dump.
_LISTED = f"""
pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT k.condition FROM pg_extension e, unnest(e.extconfig, e.extcondition) k(id, condition)
  WHERE k.id = c.oid) config ON true
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {OURS}
  AND ({not_of_extension("pg_class", "c")} OR config.condition IS NOT NULL)
"""  # noqa: S608  (constants of ours)
_IS_UNREADABLE = "c.relpersistence = 'u' AND pg_is_in_recovery()"
_NAMES = f"SELECT {RELATION} FROM {_LISTED} AND NOT ({_IS_UNREADABLE}) ORDER BY 1"  # noqa: S608  (constants of ours)
# A cast to text that somebody wrote may leave out what he likes, and call what is not there: a row
# says what its values are without it. Domains have the casts of what they are made from.
_WRITTEN = f"k.casttarget = 'text'::regtype AND k.castmethod = 'f' AND k.oid >= {FIRST_OID}"
_HAS_WRITTEN_CAST = (
    f"EXISTS (SELECT FROM pg_cast k WHERE {_WRITTEN}) AND EXISTS (WITH RECURSIVE kind (id) AS ("  # noqa: S608  (constants of ours)
    "SELECT a.atttypid UNION SELECT b.typbasetype FROM kind JOIN pg_type b ON b.oid = kind.id)"
    f" SELECT FROM pg_cast k JOIN kind ON kind.id = k.castsource WHERE {_WRITTEN}"
    f" AND {not_of_extension('pg_cast', 'k')})"
)
_HASHED = (
    f"CASE WHEN a.atttypid = ANY ({_EXACT_TYPES}) THEN format('t.%I', a.attname)"
    f" WHEN {_HAS_WRITTEN_CAST} THEN format('ROW(t.%I)::text COLLATE \"C\"', a.attname)"
    " ELSE format('t.%I::text COLLATE \"C\"', a.attname) END"
)
# As pg_dump decides to load rows through the root.
_MOVING = """
CASE WHEN c.relispartition AND EXISTS (
  SELECT FROM pg_partition_ancestors(c.oid) above (id)
  JOIN pg_partitioned_table p ON p.partrelid = above.id
  JOIN pg_opclass k ON k.oid = ANY (p.partclass) JOIN pg_am m ON m.oid = k.opcmethod
  WHERE m.amname = 'hash' AND k.opcintype = 'anyenum'::regtype)
THEN pg_partition_root(c.oid)::text ELSE '' END
"""
_TABLES = f"""
SELECT {RELATION}, pg_table_size(c.oid),
       (SELECT string_agg(format('t.%I', a.attname), ',' ORDER BY k.position)
        FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(number, position), pg_attribute a
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid
          AND a.attnum = k.number),
       (SELECT string_agg({_HASHED}, ',' ORDER BY {{order}}) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       config.condition, {_IS_UNREADABLE}, {_MOVING}
FROM {_LISTED} ORDER BY 1
"""  # noqa: S608  (identifiers are quoted)
_BY_NAME, _BY_NUMBER = (_TABLES.replace("{order}", f"a.{each}") for each in ("attname", "attnum"))

# 64 bits, and the same in every version since 11, because hash partitions rely on it. MD5 takes
# more than twice the time, which a backup would spend next to pg_dump on the same server.
_TEXT_HASH = 'hashtextextended({row}::text COLLATE "C", 0)'
# Takes less than half of that again. A record's hash is linear in those of its columns: without
# the second hash, values that two rows exchanged would leave the sum as it was.
_COLUMNS_HASH = "hashint8extended(hash_record_extended(ROW({columns}), 0), 0)"
_COLUMNS_HASH_SINCE = 14
_TABLES_AT_ONCE = 25


@dataclass(frozen=True)
class Inventory:
    """What the catalogs say, and which tables are still to be read."""

    facts: DatabaseFacts
    tables: tuple[_Table, ...]

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(table.name for table in self.tables)

    @property
    def readable_names(self) -> tuple[str, ...]:
        return tuple(table.name for table in self.tables if not table.is_unreadable)

    def only(self, names: Collection[str]) -> Inventory:
        """The same with these tables alone."""
        return replace(self, tables=tuple(each for each in self.tables if each.name in names))


@dataclass(frozen=True)
class _Table:
    """How its rows are read. `condition`: the WHERE clause of an extension's configuration."""

    name: str
    size_bytes: int
    key: str | None
    columns: str | None
    condition: str | None
    is_unreadable: bool
    rows_move_in: str


def use_canonical_settings(connection: Connection) -> None:
    """For the rest of the transaction."""
    use_readable_encoding(connection)
    for statement in CANONICAL_SETTINGS:
        connection.execute(statement.encode())


def list_tables(connection: Connection) -> tuple[str, ...]:
    """Names, as they stand in a query, of the tables that hold rows."""
    return tuple(name for (name,) in connection.execute(_NAMES.encode()).fetchall())


def _tables(connection: Connection, query: str = _BY_NAME) -> tuple[_Table, ...]:
    return tuple(_Table(*row) for row in connection.execute(query.encode()).fetchall())


def read_inventory(
    connection: Connection, sequences: tuple[SequenceFacts, ...] | None = None
) -> Inventory:
    """What is there to be read, in the transaction's snapshot: neither rows nor definitions."""
    row = connection.execute(
        "SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,"
        " pg_database_size(d.oid), (SELECT count(*) FROM pg_largeobject_metadata)"
        " FROM pg_database d WHERE d.datname = current_database()"
    ).fetchone()
    if row is None:
        raise SourceError("The server does not list its own database.", remedy="Try again.")
    encoding, collation, ctype, size, large_objects = row
    libraries, preloaded_settings = read_preloaded(connection)
    facts = DatabaseFacts(
        # As who connected calls it: the server reads its bytes in the database's own encoding.
        database=connection.pgconn.db.decode(errors="surrogateescape"),
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
        schema_items=(),
        properties=read_properties(connection),
        preloaded_libraries=libraries,
        preloaded_settings=preloaded_settings,
    )
    return Inventory(facts, _tables(connection))


def read_content(
    connection: Connection,
    inventory: Inventory,
    *,
    fingerprint_max_bytes: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> DatabaseFacts:
    """Definitions, and every table counted and fingerprinted; needs `use_canonical_settings`.

    Raises:
        SourceError: `cancelled` became true between two tables.
    """
    method: FingerprintMethod = (
        "named columns" if inventory.facts.server_major >= _COLUMNS_HASH_SINCE else "named text"
    )
    schema = read_schema(connection)

    def read(table: _Table) -> TableFacts:
        if cancelled():
            raise SourceError("Reading the facts was cancelled.", remedy="See the other error.")
        return _read_table(connection, table, fingerprint_max_bytes, method)

    return inventory.facts.model_copy(
        update={
            "tables": _read_in_turn(connection, inventory.tables, read),
            "schema_items": schema,
            "large_object_groups": large_objects.read_groups(connection),
            "large_object_content": large_objects.read_content(
                connection, limit_bytes=fingerprint_max_bytes
            ),
        }
    )


def read_content_like(
    connection: Connection, inventory: Inventory, expected: DatabaseFacts
) -> DatabaseFacts:
    """The same for a restored copy: each table by the rule that `expected` was read by."""
    tables = read_tables_like(connection, inventory, expected)
    if expected.format_version == 1:
        return inventory.facts.model_copy(
            update={
                "format_version": 1,
                "tables": tables,
                "schema_items": read_schema_1(connection),
            }
        )
    content = expected.large_object_content
    return inventory.facts.model_copy(
        update={
            "tables": tables,
            "schema_items": read_schema(connection),
            "large_object_groups": large_objects.read_groups(connection),
            "large_object_content": content
            and large_objects.read_content(connection, modulus=content.sample_modulus),
        }
    )


def read_tables_like(
    connection: Connection, inventory: Inventory, expected: DatabaseFacts
) -> tuple[TableFacts, ...]:
    """Of the tables of `inventory`, each by its rule. Facts of version 1 know no configuration."""
    rules = {
        table.name: (
            None if table.fingerprint is None else table.sample_modulus,
            table.fingerprint_method,
        )
        for table in expected.tables
    }
    tables: Sequence[_Table] = inventory.tables
    if expected.format_version == 1:
        chosen = set(inventory.table_names)
        found = _tables(connection, _BY_NUMBER)
        tables = [each for each in found if each.condition is None and each.name in chosen]
    return _read_in_turn(
        connection,
        tables,
        lambda table: _fingerprinted(connection, table, *rules.get(table.name, (1, "text"))),
    )


def _read_in_turn(
    connection: Connection, tables: Sequence[_Table], read: Callable[[_Table], TableFacts]
) -> tuple[TableFacts, ...]:
    """Who reads a table locks its indexes: not all of them until the end."""
    facts: list[TableFacts] = []
    for begin in range(0, len(tables), _TABLES_AT_ONCE):
        with connection.transaction(force_rollback=True):
            facts += [read(table) for table in tables[begin : begin + _TABLES_AT_ONCE]]
    return tuple(facts)


def _read_table(
    connection: Connection, table: _Table, limit_bytes: int, method: FingerprintMethod
) -> TableFacts:
    if table.is_unreadable:
        return TableFacts(
            name=table.name,
            rows=0,
            fingerprint=None,
            fingerprint_method=method,
            size_bytes=table.size_bytes,
            left_out="it is unlogged, and a standby has no rows of it",
        )
    modulus = sample_modulus(table.size_bytes, limit_bytes)
    return _fingerprinted(
        connection, table, None if modulus > 1 and not table.key else modulus, method
    )


def _fingerprinted(
    connection: Connection, table: _Table, modulus: int | None, method: FingerprintMethod
) -> TableFacts:
    """`modulus` None: rows are counted only."""
    row_hash = _row_hash(table, method)
    if modulus is None:
        what = "NULL"
    elif modulus == 1:
        what = f"coalesce(sum({row_hash}), 0)"
    else:
        key_hash = _TEXT_HASH.format(row=f"ROW({table.key})")
        what = f"coalesce(sum(CASE WHEN {key_hash} & {modulus - 1} = 0 THEN {row_hash} END), 0)"
    source = f"FROM ONLY {table.name} t {table.condition or ''}"
    query = encoded(connection, f"SELECT count(*), {what} {source}")
    row = connection.execute(query).fetchone()
    rows, fingerprint = row or (0, None)
    return TableFacts(
        name=table.name,
        rows=rows,
        fingerprint=None if fingerprint is None else str(fingerprint),
        fingerprint_method=method,
        sample_modulus=modulus or 1,
        size_bytes=table.size_bytes,
        rows_move_in=table.rows_move_in,
    )


def _row_hash(table: _Table, method: FingerprintMethod) -> str:
    if method == "text" or not table.columns:
        return _TEXT_HASH.format(row="t")
    if method == "named text":
        return _TEXT_HASH.format(row=f"ROW({table.columns})")
    return _COLUMNS_HASH.format(columns=table.columns)
