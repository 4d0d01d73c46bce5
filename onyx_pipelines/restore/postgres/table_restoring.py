"""Tables of one database: from the restored copy beside into the database, in one transaction.

Contents are replaced under the table's own definition. Foreign keys of and to it are checked again
before the transaction ends, triggers do not fire, sequences of its columns do not go back. A table
that is not there is created as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from onyx_pipelines.errors import RestoreError
from onyx_pipelines.processes import text_of
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.requests import Placement, PostgresRestoreRequest
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import (
    read_inventory,
    read_tables_like,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import TableFacts
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors

_TIMEOUT_S: Final = 4 * 3600.0
# Generated columns compute themselves.
_COLUMNS = """
SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0
  AND (conrelid = ANY (%s::text[]::regclass[]) OR confrelid = ANY (%s::text[]::regclass[]))
ORDER BY 1, 2
"""
_TRIGGERS = """
SELECT quote_ident(tgname), tgenabled FROM pg_trigger
WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled <> 'D'
"""
_ENABLING = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
_SEQUENCES = """
SELECT pg_get_serial_sequence(%s, attname) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


def tables_of(request: PostgresRestoreRequest, placements: Sequence[Placement]) -> tuple[str, ...]:
    """The chosen tables as the facts name them.

    Raises:
        RestoreError: the set's database has no such table.
    """
    if not request.tables:
        return ()
    (placement,) = placements
    present = [table.name for table in placement.database.facts.tables]
    missing = [name for name in request.tables if name not in present]
    if missing:
        raise RestoreError(
            f"The database {placement.database.name} of the set has no table {', '.join(missing)}.",
            remedy=f"As SCHEMA.NAME it has: {', '.join(present[:20]) or 'none'}"
            f"{' …' if len(present) > 20 else ''}.",
        )
    return tuple(dict.fromkeys(request.tables))


@dataclass(frozen=True)
class TableRestore:
    """Copies tables between two databases of one server."""

    target: PostgresTarget
    binaries: Binaries
    clock: StepClock
    scratch: Path

    def copy(
        self, database: DatabaseObjects, beside: str, final_name: str, tables: Sequence[str]
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
            self.target.connect(beside) as source,
            self.target.connect(final_name) as connection,
            postgres_errors(self.target, final_name),
        ):
            present = [name for name in tables if _exists(connection, name)]
            for name in present:
                _require_same_columns(source, connection, name)
            with connection.transaction():
                _replace_contents(source, connection, present)
                differing = _differing(connection, database, present, facts)
                if differing:
                    raise RestoreError(
                        f"After it was copied, {', '.join(differing)} was not the same;"
                        f" {final_name} is as it was.",
                        remedy="Restore the whole database under another name"
                        " (--into NAME) and compare by hand.",
                    )
            missing = [name for name in tables if name not in present]
            for name in missing:
                self._create(beside, final_name, name)
        return [
            Finding(
                verdict=Verdict.PASSED,
                item=final_name,
                aspect="in place",
                message=f"Put in place: table {name}"
                + (" (created)" if name in missing else "")
                + f", {facts[name].rows:,} rows.",
            )
            for name in tables
        ]

    def _create(self, beside: str, final_name: str, table: str) -> None:
        """pg_dump of the copy knows what belongs to a table: indexes, keys, triggers, grants."""
        file = self.scratch / "table"
        try:
            text_of(
                [
                    self.binaries.path("pg_dump"),
                    "--format=custom",
                    "--compress=0",
                    "--no-password",
                    f"--table={table}",
                    f"--file={file}",
                ],
                environment=self.target.environment(beside),
                timeout_s=_TIMEOUT_S,
                secrets=self.target.secrets,
            )
            text_of(
                [
                    self.binaries.path("pg_restore"),
                    "--single-transaction",
                    "--no-password",
                    f"--dbname={loading.connection_string(final_name)}",
                    file,
                ],
                environment=self.target.environment(final_name),
                timeout_s=_TIMEOUT_S,
                secrets=self.target.secrets,
            )
        finally:
            file.unlink(missing_ok=True)


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])


def _require_same_columns(
    source: psycopg.Connection[Any], connection: psycopg.Connection[Any], table: str
) -> None:
    then = source.execute(_COLUMNS, (table,)).fetchall()
    now = connection.execute(_COLUMNS, (table,)).fetchall()
    if sorted(then) != sorted(now):
        changed = sorted({name for name, _ in set(then) ^ set(now)})
        raise RestoreError(
            f"The table {table} has other columns now than in the set: {', '.join(changed)}.",
            remedy="Restore the whole database under another name (--into NAME) and move the rows"
            " by hand.",
        )


def _replace_contents(
    source: psycopg.Connection[Any], connection: psycopg.Connection[Any], tables: Sequence[str]
) -> None:
    if not tables:
        return
    keys = connection.execute(_FOREIGN_KEYS, (list(tables), list(tables))).fetchall()
    triggers = {table: connection.execute(_TRIGGERS, (table,)).fetchall() for table in tables}
    for table, key, _ in keys:
        _run(connection, f"ALTER TABLE {table} DROP CONSTRAINT {key}")
    for table, found in triggers.items():
        for trigger, _ in found:
            _run(connection, f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    _run(connection, f"TRUNCATE ONLY {', '.join(tables)}")
    for table in tables:
        _copy(source, connection, table)
        _advance_sequences(source, connection, table)
    for table, found in triggers.items():
        for trigger, state in found:
            _run(connection, f"ALTER TABLE {table} {_ENABLING[state]} TRIGGER {trigger}")
    for table, key, definition in keys:
        try:
            _run(connection, f"ALTER TABLE {table} ADD CONSTRAINT {key} {definition}")
        except psycopg.errors.ForeignKeyViolation as error:
            raise RestoreError(
                f"With the restored rows the foreign key {key} of {table} would not hold"
                f" ({error.diag.message_detail or 'rows are missing'}); nothing was changed.",
                remedy="Restore the tables that it joins together, with a --table for each.",
            ) from None


def _copy(source: psycopg.Connection[Any], connection: psycopg.Connection[Any], table: str) -> None:
    columns = ", ".join(name for name, _ in source.execute(_COLUMNS, (table,)).fetchall())
    with (
        source.cursor().copy(f"COPY {table} ({columns}) TO STDOUT".encode()) as outgoing,
        connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as incoming,
    ):
        for data in outgoing:
            incoming.write(data)


def _advance_sequences(
    source: psycopg.Connection[Any], connection: psycopg.Connection[Any], table: str
) -> None:
    """Further, never back: rows of other tables may have got their numbers meanwhile."""
    for (sequence,) in connection.execute(_SEQUENCES, (table, table)).fetchall():
        if sequence is None or not _exists(source, sequence):
            continue
        query = f"SELECT last_value, is_called FROM {sequence}"  # noqa: S608
        then = source.execute(query.encode()).fetchone()
        if then is not None:
            connection.execute(
                f"SELECT setval(%s, %s, %s) FROM {sequence} WHERE last_value < %s".encode(),  # noqa: S608
                (sequence, then[0], then[1], then[0]),
            )


def _differing(
    connection: psycopg.Connection[Any],
    database: DatabaseObjects,
    tables: Sequence[str],
    facts: dict[str, TableFacts],
) -> list[str]:
    """Which of the tables is not what it was; read in the transaction that changed them."""
    use_canonical_settings(connection)
    inventory = read_inventory(connection).only(tables)
    found = {table.name: table for table in read_tables_like(connection, inventory, database.facts)}
    return [
        name
        for name in tables
        if (found[name].rows, found[name].fingerprint)
        != (facts[name].rows, facts[name].fingerprint)
    ]


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    """Names in it come from the server's own quoting."""
    connection.execute(statement.encode())
