"""A few rows in every empty table of a database that nobody here knows, made from its catalog."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

Connection = psycopg.Connection[Any]

_ROWS: Final = 3
_TABLES: Final = """
SELECT c.oid::regclass::text,
  (SELECT json_agg(json_build_object('name', quote_ident(attname), 'nullable', NOT attnotnull,
     'type', format_type(atttypid, NULL), 'whole_type', format_type(atttypid, atttypmod),
     'length', CASE WHEN atttypmod > 4 AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype)
       THEN atttypmod - 4 END, 'is_enum', typtype = 'e', 'is_array', typcategory = 'A'))
   FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
     AND attidentity = '' AND attgenerated = ''
     AND coalesce(pg_get_serial_sequence(c.oid::regclass::text, attname), '') = ''),
  (SELECT json_agg(json_build_object('parent', confrelid::regclass::text,
     'columns', (SELECT json_agg(quote_ident(attname) ORDER BY o) FROM unnest(conkey)
       WITH ORDINALITY k(n, o) JOIN pg_attribute ON attrelid = conrelid AND attnum = n),
     'refers_to', (SELECT json_agg(quote_ident(attname) ORDER BY o) FROM unnest(confkey)
       WITH ORDINALITY k(n, o) JOIN pg_attribute ON attrelid = confrelid AND attnum = n)))
   FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),
  (SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
   WHERE conrelid = c.oid AND contype = 'c')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE relkind IN ('r', 'p') AND NOT relispartition
  AND nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY 1
"""
# Of the row's number `i`; of other types, what `text` gives is tried.
_VALUES: Final = {
    "smallint": "i",
    "integer": "i",
    "bigint": "i",
    "numeric": "i + 0.25",
    "real": "i + 0.5",
    "double precision": "sqrt(i)",
    "boolean": "i % 2 = 0",
    "json": "json_build_object('i', i)",
    "jsonb": "jsonb_build_object('i', i)",
    "uuid": "md5(i::text)::uuid",
    "bytea": "decode(md5(i::text), 'hex')",
    "date": "date '2026-02-28' + i",
    "timestamp with time zone": "timestamptz '2026-03-29 00:30+00' + i * interval '1 hour'",
    "timestamp without time zone": "timestamp '2026-03-29 00:30' + i * interval '1 hour'",
    "time without time zone": "time '12:00' + i * interval '1 second'",
    "interval": "i * interval '1 day'",
    "inet": "inet '10.0.0.0' + i",
    "tsvector": "to_tsvector('simple', 'word' || i)",
}


@dataclass(frozen=True)
class _Table:
    name: str
    columns: Sequence[Mapping[str, Any]]
    keys: Sequence[Mapping[str, Any]]
    checks: str


def fill(connection: Connection) -> list[str]:
    """Fill, parents first; gives the tables that are still empty, and why."""
    rows = connection.execute(_TABLES.encode()).fetchall()
    tables = [
        _Table(name, columns or (), keys or (), checks or "")
        for name, columns, keys, checks in rows
    ]
    why: dict[str, str] = {}
    while True:
        left = [table for table in tables if _is_empty(connection, table.name)]
        why = {table.name: _fill_one(connection, table) for table in left}
        if all(why.values()):
            return [f"{name}: {reason}" for name, reason in why.items()]


def _is_empty(connection: Connection, name: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {name} LIMIT 1".encode()).fetchone() is None


def _fill_one(connection: Connection, table: _Table) -> str:
    """Empty, or what was said against the last try. One-to-one keys leave fewer rows."""
    said = "no columns"
    for row in range(1, _ROWS + 1):
        try:
            connection.execute(_insertion(table, row).encode())
            said = ""
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            said = said and str(error).splitlines()[0]
    return said


def _insertion(table: _Table, row: int) -> str:
    values = {column["name"]: _value(table, column) for column in table.columns}
    for key in table.keys:
        for column, referred in zip(key["columns"], key["refers_to"], strict=True):
            order = ", ".join(key["refers_to"])
            values[column] = (
                f"(SELECT {referred} FROM {key['parent']} ORDER BY {order}"
                f" OFFSET (SELECT (i - 1) % greatest(1, count(*)) FROM {key['parent']}) LIMIT 1)"
            )
    if not values:
        return f"INSERT INTO {table.name} DEFAULT VALUES"
    return (
        f"INSERT INTO {table.name} ({', '.join(values)}) SELECT {', '.join(values.values())}"
        f" FROM (SELECT {row} AS i) AS one"
    )


def _value(table: _Table, column: Mapping[str, Any]) -> str:
    if column["is_enum"]:
        return f"(enum_range(NULL::{column['type']}))[1]"
    if column["is_array"]:
        return "'{}'"
    plain = _VALUES.get(column["type"])
    if plain is not None:
        return f"({plain})::{column['whole_type']}"
    allowed = _allowed(table.checks, column["name"])
    if allowed:
        return f"'{allowed}'"
    text = f"left('it''s «' || md5('{column['name']}' || i), {column['length'] or 99})"
    return f"({text})::{column['whole_type']}"


def _allowed(checks: str, column: str) -> str | None:
    """The first of the texts that a CHECK compares the column with."""
    found = re.search(rf"\({re.escape(column)}\)?(?:::text)? [=<>A-Z (\[]*'([^']*)'", checks)
    return found[1] if found else None
