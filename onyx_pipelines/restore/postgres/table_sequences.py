"""Sequences that give the columns of restored tables their values: they go on behind the restored
rows, and never back, since other tables may have got numbers of them meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.session_encoding import encoded

Connection = psycopg.Connection[Any]

# Their own ones, and others that a default names; a partition's may be that of the whole table.
_SEQUENCES = """
WITH chosen AS (SELECT name::regclass AS id FROM unnest(%s::text[]) name),
  related AS (SELECT id FROM chosen
    UNION SELECT a.id FROM chosen, pg_partition_ancestors(chosen.id) a (id)),
  used (id) AS (
    SELECT d.objid FROM pg_depend d JOIN related ON d.refobjid = related.id
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i')
    UNION SELECT d.refobjid FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
      JOIN related ON f.adrelid = related.id
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass)
SELECT c.oid::regclass::text FROM used JOIN pg_class c ON c.oid = used.id WHERE c.relkind = 'S'
ORDER BY 1
"""


def sequences_of(connection: Connection, tables: Sequence[str]) -> tuple[str, ...]:
    """Of tables that are there."""
    rows = connection.execute(_SEQUENCES, (list(tables),)).fetchall()
    return tuple(name for (name,) in rows)


def advance_sequences(source: Connection, connection: Connection, tables: Sequence[str]) -> None:
    """What the copy's sequence would give next is not given twice: the other one goes on there.

    A sequence's position is outside of every transaction: this comes last.
    """
    there = set(sequences_of(source, tables))
    for sequence in sequences_of(connection, tables):
        if sequence not in there:
            continue
        then, now = _position(source, sequence), _position(connection, sequence)
        if (then.next - now.next) * now.step > 0:
            connection.execute("SELECT setval(%s, %s, %s)", (sequence, then.last, then.is_called))


@dataclass(frozen=True)
class _Position:
    """`next`: what it gives next, which may be beyond what it can. `step`: from one to another."""

    last: int
    is_called: bool
    next: Decimal
    step: int


def _position(connection: Connection, sequence: str) -> _Position:
    name = sequence.replace("%", "%%")
    query = f"""
SELECT q.last_value, q.is_called,
       q.last_value::numeric + CASE WHEN q.is_called THEN s.seqincrement ELSE 0 END, s.seqincrement
FROM {name} q, pg_sequence s WHERE s.seqrelid = %s::regclass
"""  # noqa: S608  (quoted by the server)
    (row,) = connection.execute(encoded(connection, query), (sequence,)).fetchall()
    return _Position(*row)
