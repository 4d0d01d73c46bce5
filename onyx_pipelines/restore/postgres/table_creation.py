"""What makes tables that are gone as a copy of them is: pg_dump knows what belongs to a table, its
indexes, keys, triggers, grants, comments and place among partitions. And the sequences that give
their columns values: they go on behind the restored rows, and never back, since other tables may
have got numbers of them meanwhile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg

from onyx_pipelines.host.processes import output_of, plain_environment, text_of
from onyx_pipelines.restore.postgres.archive_listing import entry_lists, list_option
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.session_encoding import encoded
from onyx_pipelines.sources.postgres.target import PostgresTarget

_TIMEOUT_S: Final = 3600.0
_ATTACHING = re.compile(r"\d+; \d+ \d+ TABLE ATTACH ")
_INDEXES = re.compile(r"\d+; \d+ \d+ (?:INDEX(?! ATTACH )|CONSTRAINT) ")
_FOR_PSQL = re.compile(rb"^\\restrict (?P<token>\S+)\n", re.MULTILINE)


@dataclass(frozen=True)
class CreationScripts:
    """Statements before the rows and after them."""

    before: bytes
    after: bytes


def creation_scripts(
    target: PostgresTarget, binaries: Binaries, database: str, names: Sequence[str], scratch: Path
) -> CreationScripts:
    """For tables and sequences of a database, whose names are quoted where they must be.

    A partition is attached once it has indexes of its own, since it would get others else.

    Raises:
        ProgramError: pg_dump or pg_restore cannot do it.
    """
    if not names:
        return CreationScripts(b"", b"")
    file = scratch / "tables"
    command: list[str | Path] = [
        *(binaries.path("pg_dump"), "--format=custom", "--schema-only", "--no-password"),
        *("--encoding=UTF8", f"--file={file}", *(f"--table={name}" for name in names)),
    ]
    try:
        text_of(
            command,
            environment=target.environment(database),
            timeout_s=_TIMEOUT_S,
            secrets=target.secrets,
        )
        lists = entry_lists(file, binaries, with_grants=True)
        before, after = lists.before.split("\n"), lists.after.split("\n")
        steps = (
            [entry for entry in after if _INDEXES.match(entry)],
            [entry for entry in before if _ATTACHING.match(entry)],
            [entry for entry in after if entry and not _INDEXES.match(entry)],
        )
        return CreationScripts(
            _script(binaries, file, [each for each in before if not _ATTACHING.match(each)]),
            b"".join(_script(binaries, file, entries) for entries in steps if entries),
        )
    finally:
        file.unlink(missing_ok=True)


def _script(binaries: Binaries, archive: Path, entries: Sequence[str]) -> bytes:
    with list_option("\n".join(entries)) as option:
        command: list[str | Path] = [binaries.path("pg_restore"), "--file=-", option, archive]
        with output_of(
            command, environment=plain_environment(), stall_timeout_s=_TIMEOUT_S
        ) as output:
            script = b"".join(iter(output.read, b""))
    return _without_commands_of_psql(script)


def _without_commands_of_psql(script: bytes) -> bytes:
    """The first line that looks like one is one: nothing of the database stands before it."""
    found = _FOR_PSQL.search(script)
    if found is None:
        return script
    token = found["token"]
    return script.replace(found[0], b"", 1).replace(b"\\unrestrict " + token + b"\n", b"", 1)


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
