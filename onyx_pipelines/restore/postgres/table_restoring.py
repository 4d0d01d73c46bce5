"""Tables of one database: from the restored copy beside into the database, in one transaction.

Contents are replaced under the table's own definition. Foreign keys of and to it are checked again
before the transaction ends, triggers do not fire, sequences that give its columns their values do
not go back. A table that is not there is made as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.text import count_text
from onyx_pipelines.restore.engine import Placement
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.table_creation import (
    CreationScripts,
    advance_sequences,
    creation_scripts,
    revoke_what_was_given,
    sequences_of,
    what_went_with,
)
from onyx_pipelines.restore.results import Finding, Step, StepClock
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import (
    read_inventory,
    read_tables_like,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import TableFacts
from onyx_pipelines.sources.postgres.session_encoding import encoded, use_readable_encoding
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors

# Generated columns compute themselves.
_COLUMNS = """
SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
# Of the tables themselves, and to them or to what they are partitions of: those of a partitioned
# table are dropped and made there.
_FOREIGN_KEYS = """
WITH RECURSIVE found (oid, parent) AS (
  SELECT oid, conparentid FROM pg_constraint WHERE contype = 'f'
    AND (conrelid = ANY (%(names)s::text[]::regclass[]) AND conparentid = 0
         OR confrelid = ANY (%(names)s::text[]::regclass[]))
  UNION SELECT k.oid, k.conparentid FROM found JOIN pg_constraint k ON k.oid = found.parent)
SELECT k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid),
       quote_literal(obj_description(k.oid, 'pg_constraint'))
FROM found JOIN pg_constraint k USING (oid) WHERE k.conparentid = 0 ORDER BY 1, 2
"""
_TRIGGERS = """
SELECT quote_ident(tgname), tgenabled FROM pg_trigger
WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled <> 'D'
"""
_ENABLING = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
_KIND = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)"
# Each takes a second or more.
_ATTEMPTS = 20
_BY_HAND = "Restore the whole database under another name (--into NAME) and move the rows by hand."


def tables_of(
    chosen: Sequence[str], placements: Sequence[Placement[DatabaseObjects]]
) -> tuple[str, ...]:
    """The chosen tables as the facts name them.

    Raises:
        RestoreError: the set's database has no such table.
    """
    if not chosen:
        return ()
    (placement,) = placements
    present = [table.name for table in placement.of_set.facts.tables]
    missing = [name for name in chosen if name not in present]
    if missing:
        has = f"As SCHEMA.NAME it has: {', '.join(present[:20]) or 'none'}"
        has += f"{' …' if len(present) > 20 else ''}."
        items = placement.of_set.facts.schema_items
        if {item.name for item in items if item.kind == "table"} >= set(missing):
            raise RestoreError(
                f"The table {', '.join(missing)} has no rows of its own: it is partitioned, or"
                " foreign.",
                remedy=f"Name its partitions. {has}",
            )
        raise RestoreError(
            f"The database {placement.of_set.name} of the set has no table {', '.join(missing)}.",
            remedy=has,
        )
    return tuple(dict.fromkeys(chosen))


@dataclass(frozen=True)
class TableRestore:
    """Copies tables between two databases of one server."""

    target: PostgresTarget
    binaries: Binaries
    clock: StepClock
    scratch: Path

    def copy(
        self, database: DatabaseObjects, staged: str, final_name: str, tables: Sequence[str]
    ) -> list[Finding]:
        """Into `final_name` from the restored copy `beside`.

        Raises:
            RestoreError: a table has other columns than then, or a foreign key would not hold; the
                database is as it was.
            SourceError: the server refuses or was lost; the database is as it was.
        """
        facts = {table.name: table for table in database.facts.tables}
        with (
            self.clock.step(Step.RESTORE, f"{final_name} (tables)"),
            self.target.connect(staged) as source,
            self.target.connect(final_name) as connection,
            postgres_errors(self.target, final_name),
        ):
            for each in (source, connection):
                use_readable_encoding(each)
            present = [name for name in tables if _is_there(connection, name)]
            missing = [name for name in tables if name not in present]
            for name in present:
                _require_same_columns(source, connection, name)
            scripts = self._scripts(source, connection, staged, missing)
            _unless_deadlocked(
                lambda: self._replace(source, connection, database, tables, missing, scripts)
            )
            lost = what_went_with(source, connection, missing)
        return [
            *(_in_place(final_name, facts[name], created=name in missing) for name in tables),
            *(Finding.passed(final_name, "note", each) for each in lost),
        ]

    def _replace(
        self,
        source: psycopg.Connection[Any],
        connection: psycopg.Connection[Any],
        database: DatabaseObjects,
        tables: Sequence[str],
        missing: Sequence[str],
        scripts: CreationScripts,
    ) -> None:
        present = [name for name in tables if name not in missing]
        with connection.transaction(), _foreign_keys_named():
            with _refused_where_impossible(missing):
                connection.execute(scripts.before)
                revoke_what_was_given([*missing, *scripts.sequences], connection)
            keys = _drop_keys(connection, present)
            _replace_contents(source, connection, tables, truncated=present)
            with _refused_where_impossible(missing):
                connection.execute(scripts.after)
            _make_keys(connection, keys)
            differing = _differing(connection, database, tables)
            if differing:
                raise RestoreError(
                    f"After it was copied, {', '.join(differing)} was not the same; the database is"
                    " as it was.",
                    remedy="Restore the whole database under another name"
                    " (--into NAME) and compare by hand.",
                )
            advance_sequences(source, connection, tables)

    def _scripts(
        self,
        source: psycopg.Connection[Any],
        connection: psycopg.Connection[Any],
        staged: str,
        missing: Sequence[str],
    ) -> CreationScripts:
        """With the sequences that they need and that are not there, whoever owned them."""
        sequences = sequences_of(source, missing)
        lacking = [each for each in sequences if not _is_there(connection, each)]
        return creation_scripts(self.target, self.binaries, staged, missing, lacking, self.scratch)


def _is_there(connection: psycopg.Connection[Any], name: str) -> bool:
    """An ordinary table, or a sequence.

    Raises:
        RestoreError: something else has the name.
    """
    row = connection.execute(_KIND, (name,)).fetchone()
    if row and row[0] not in {"r", "S"}:
        raise RestoreError(
            f"{name} is no ordinary table now: a view or a partitioned table, or a foreign one.",
            remedy=_BY_HAND,
        )
    return row is not None


def _unless_deadlocked(replace: Callable[[], None]) -> None:
    """Whoever writes meanwhile may hold what this waits for, and wait for what this holds: then the
    server ends one of both, which loses nothing and may be tried again."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(psycopg.errors.DeadlockDetected):
            return replace()
    return replace()


@contextmanager
def _refused_where_impossible(missing: Sequence[str]) -> Iterator[None]:
    """Raises RestoreError: the schema, a type, a role or the partitioned table is not there."""
    try:
        yield
    except psycopg.errors.ForeignKeyViolation:
        raise
    except (psycopg.ProgrammingError, psycopg.IntegrityError) as error:
        raise RestoreError(
            f"{', '.join(missing)} cannot be made as it was ({str(error).strip()}); nothing was"
            " changed.",
            remedy="Make first what it needs, or restore the whole database under another name"
            " (--into NAME) and move the rows by hand.",
        ) from None


@contextmanager
def _foreign_keys_named() -> Iterator[None]:
    """Raises RestoreError: one would not hold."""
    try:
        yield
    except psycopg.errors.ForeignKeyViolation as error:
        said = error.diag
        raise RestoreError(
            f"With the restored rows the foreign key {said.constraint_name} of {said.schema_name}."
            f"{said.table_name} would not hold ({said.message_detail or 'rows are missing'});"
            " nothing was changed.",
            remedy="Restore the tables that it joins together, with a --table for each.",
        ) from None


def _require_same_columns(
    source: psycopg.Connection[Any], connection: psycopg.Connection[Any], table: str
) -> None:
    then = source.execute(_COLUMNS, (table,)).fetchall()
    now = connection.execute(_COLUMNS, (table,)).fetchall()
    if sorted(then) != sorted(now):
        changed = sorted({name for name, _ in set(then) ^ set(now)})
        raise RestoreError(
            f"The table {table} has other columns now than in the set: {', '.join(changed)}.",
            remedy=_BY_HAND,
        )


@dataclass(frozen=True)
class _ForeignKey:
    """As SQL; `comment` is a literal."""

    table: str
    name: str
    definition: str
    comment: str | None


def _drop_keys(
    connection: psycopg.Connection[Any], tables: Sequence[str]
) -> tuple[_ForeignKey, ...]:
    """Else no table that others refer to could be emptied."""
    rows = connection.execute(_FOREIGN_KEYS, {"names": list(tables)}).fetchall()
    keys = tuple(_ForeignKey(*row) for row in rows)
    for key in keys:
        _run(connection, f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}")
    return keys


def _make_keys(connection: psycopg.Connection[Any], keys: Sequence[_ForeignKey]) -> None:
    for key in keys:
        _run(connection, f"ALTER TABLE {key.table} ADD CONSTRAINT {key.name} {key.definition}")
        if key.comment is not None:
            _run(connection, f"COMMENT ON CONSTRAINT {key.name} ON {key.table} IS {key.comment}")


def _replace_contents(
    source: psycopg.Connection[Any],
    connection: psycopg.Connection[Any],
    tables: Sequence[str],
    *,
    truncated: Sequence[str],
) -> None:
    triggers = {table: connection.execute(_TRIGGERS, (table,)).fetchall() for table in tables}
    for table, found in triggers.items():
        for trigger, _ in found:
            _run(connection, f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    if truncated:
        _run(connection, f"TRUNCATE ONLY {', '.join(truncated)}")
    for table in tables:
        _copy(source, connection, table)
    for table, found in triggers.items():
        for trigger, state in found:
            _run(connection, f"ALTER TABLE {table} {_ENABLING[state]} TRIGGER {trigger}")


def _copy(source: psycopg.Connection[Any], connection: psycopg.Connection[Any], table: str) -> None:
    columns = ", ".join(name for name, _ in source.execute(_COLUMNS, (table,)).fetchall())
    what = f"{table} ({columns})" if columns else table
    with (
        source.cursor().copy(encoded(source, f"COPY {what} TO STDOUT")) as outgoing,
        connection.cursor().copy(encoded(connection, f"COPY {what} FROM STDIN")) as incoming,
    ):
        for data in outgoing:
            incoming.write(data)


def _differing(
    connection: psycopg.Connection[Any],
    database: DatabaseObjects,
    tables: Sequence[str],
) -> list[str]:
    """Which of the tables is not what it was; read in the transaction that changed them."""
    facts = {table.name: table for table in database.facts.tables}
    use_canonical_settings(connection)
    inventory = read_inventory(connection).only(tables)
    found = {table.name: table for table in read_tables_like(connection, inventory, database.facts)}
    return [
        name
        for name in tables
        if (found[name].rows, found[name].fingerprint)
        != (facts[name].rows, facts[name].fingerprint)
    ]


def _in_place(database: str, table: TableFacts, *, created: bool) -> Finding:
    return Finding.passed(
        database,
        "in place",
        f"Put in place: table {table.name}{' (created)' if created else ''},"
        f" {count_text(table.rows, 'row')}.",
    )


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    """Names in it come from the server's own quoting."""
    connection.execute(encoded(connection, statement))
