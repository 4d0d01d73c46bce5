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
from onyx_pipelines.restore.postgres.globals_script import NAME
from onyx_pipelines.sources.postgres.attachments import INHERITED_COMMENT
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import use_canonical_settings
from onyx_pipelines.sources.postgres.facts import SchemaItem
from onyx_pipelines.sources.postgres.schema import read_schema
from onyx_pipelines.sources.postgres.session_encoding import encoded
from onyx_pipelines.sources.postgres.target import PostgresTarget

_TIMEOUT_S: Final = 3600.0
_ATTACHING = re.compile(r"\d+; \d+ \d+ TABLE ATTACH ")
_INDEXES = re.compile(r"\d+; \d+ \d+ (?:INDEX(?! ATTACH )|CONSTRAINT) ")
_FOR_PSQL = re.compile(rb"^\\restrict (?P<token>\S+)\n", re.MULTILINE)


@dataclass(frozen=True)
class CreationScripts:
    """Statements before the rows and after them; `sequences`: made by them besides the tables."""

    before: bytes
    after: bytes
    sequences: Sequence[str] = ()


def creation_scripts(
    target: PostgresTarget,
    binaries: Binaries,
    database: str,
    tables: Sequence[str],
    sequences: Sequence[str],
    scratch: Path,
) -> CreationScripts:
    """For tables and sequences of a database, whose names are quoted where they must be.

    A partition is attached once it has indexes of its own, since it would get others else.

    Raises:
        ProgramError: pg_dump or pg_restore cannot do it.
    """
    if not tables:
        return CreationScripts(b"", b"")
    file = scratch / "tables"
    command: list[str | Path] = [
        *(binaries.path("pg_dump"), "--format=custom", "--schema-only", "--no-password"),
        *(
            "--encoding=UTF8",
            f"--file={file}",
            *(f"--table={name}" for name in (*tables, *sequences)),
        ),
    ]
    try:
        text_of(
            command,
            environment=target.environment(database),
            timeout_s=_TIMEOUT_S,
            secrets=target.secrets,
        )
        lists = entry_lists(file, binaries, with_grants=True)
        before = lists.before.split("\n")
        after = [*lists.after.split("\n"), *lists.last.split("\n")]
        steps = (
            [entry for entry in after if _INDEXES.match(entry)],
            [entry for entry in before if _ATTACHING.match(entry)],
            [entry for entry in after if entry and not _INDEXES.match(entry)],
        )
        return CreationScripts(
            _script(binaries, file, [each for each in before if not _ATTACHING.match(each)]),
            b"".join(_script(binaries, file, entries) for entries in steps if entries),
            sequences,
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

_GIVEN = """
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || c.oid::regclass,
       quote_ident(pg_get_userbyid(c.relowner)),
       (SELECT string_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC'
                          ELSE quote_ident(pg_get_userbyid(g.grantee)) END, ', ')
        FROM aclexplode(c.relacl) g)
FROM pg_class c WHERE c.oid = ANY (%s::text[]::regclass[]) AND c.relacl IS NOT NULL
"""


def revoke_what_was_given(names: Sequence[str], connection: Connection) -> None:
    """Default privileges apply to what is new only: these have their own grants, which follow."""
    for what, owner, grantees in connection.execute(_GIVEN, (list(names),)).fetchall():
        statement = f"REVOKE ALL ON {what} FROM {grantees}; GRANT ALL ON {what} TO {owner}"
        connection.execute(encoded(connection, statement))


# They go with what they are about.
_SAID = frozenset({"comment", INHERITED_COMMENT, "security label", "grants"})
_FOREIGN_KEY = re.compile(rf"(?P<table>.+) (?P<key>{NAME})", re.DOTALL)
_STATE = re.compile(r"(; not validated|; not enforced)+\Z")


def what_went_with(
    source: Connection, connection: Connection, tables: Sequence[str]
) -> tuple[str, ...]:
    """What DROP TABLE … CASCADE takes along and nobody has made again: a sentence each.

    Args:
        source: to the copy, which loses nothing.
        tables: that were gone and are there again.
    """
    if not tables:
        return ()
    try:
        with source.transaction(force_rollback=True):
            before = _items(source)
            source.execute(encoded(source, f"DROP TABLE {', '.join(tables)} CASCADE"))
            without = _items(source)
        with connection.transaction():
            now = _items(connection)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        return (f"What else went with {', '.join(tables)} cannot be told ({str(error).strip()}).",)
    lost = {
        key
        for key, item in before.items()
        if without.get(key) != item and now.get(key) == without.get(key)
    }
    gone = {name for kind, name in lost if (kind, name) not in without}
    return tuple(
        _lost(before[kind, name], is_gone=name in gone)
        for kind, name in sorted(lost)
        if kind not in _SAID and not any(_is_part_of(name, other) for other in gone)
    )


def _items(connection: Connection) -> dict[tuple[str, str], SchemaItem]:
    use_canonical_settings(connection)
    return {(item.kind, item.name): item for item in read_schema(connection)}


def _is_part_of(name: str, other: str) -> bool:
    return name.startswith((f"{other}.", f"{other} ")) or name.endswith(f" as of {other}")


def _lost(item: SchemaItem, *, is_gone: bool) -> str:
    key = _FOREIGN_KEY.fullmatch(item.name)
    if is_gone and key and item.definition.startswith("FOREIGN KEY "):
        return (
            f"The foreign key {key['key']} of {key['table']} went with the table that was gone and"
            f" is not made: ALTER TABLE {key['table']} ADD CONSTRAINT {key['key']}"
            f" {_STATE.sub('', item.definition)}"
        )
    how = "went with" if is_gone else "lost a part with"
    return f"The {item.kind} {item.name} {how} the table that was gone, which is not made again."


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
