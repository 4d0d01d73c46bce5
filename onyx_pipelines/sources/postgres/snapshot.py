"""One database in one exported snapshot: its dump and its facts agree exactly, whatever is written
to it meanwhile."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from onyx_pipelines.core.errors import OnyxError, SourceError
from onyx_pipelines.core.progress import Meter
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.host.processes import output_of
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import (
    Inventory,
    list_tables,
    read_content,
    read_inventory,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.inventory import read_sequences, unreadable_sequences
from onyx_pipelines.sources.postgres.rights import Rights, read_rights, refuse
from onyx_pipelines.sources.postgres.session_encoding import encoded, use_readable_encoding
from onyx_pipelines.sources.postgres.target import (
    NAMES_ANOTHER_ROLE,
    OWN_ROLE,
    PostgresTarget,
    postgres_errors,
)
from onyx_pipelines.sources.source import ByteSink

# pg_dump waits only if an ALTER TABLE came between our locks and its own. It waits for us then and
# holds up everybody else, so give way soon.
_DUMP_LOCK_WAIT_MS = 10_000


_CANCEL_S = 20


@dataclass(frozen=True)
class Snapshot:
    """An open transaction; as long as it is open, `name` may be imported by others.

    `dump_options`: parameters that pg_dump's sessions need, so that another server understands
    what they write. `left_out`: sequences that it cannot read. `rights`: of our role.
    """

    name: str
    connection: psycopg.Connection[Any]
    inventory: Inventory
    rights: Rights
    dump_options: str = ""
    left_out: tuple[str, ...] = ()


@contextmanager
def open_snapshot(
    target: PostgresTarget, database: str, *, lock_timeout_s: float = 120
) -> Iterator[Snapshot]:
    """Begin a transaction, lock the tables, export its snapshot, and list what is in it.

    A TRUNCATE or a rewriting ALTER TABLE empties a table for older snapshots too (PostgreSQL
    manual, 13.6 "Caveats"), so the locks come first. They let everybody read and write.

    Raises:
        SourceError: the server cannot be reached, a right is lacking, or a lock cannot be had.
    """
    with target.connect(database) as connection, postgres_errors(target, database):
        # To ask for a table's size takes a lock, too.
        connection.execute(f"SET lock_timeout = {round(lock_timeout_s * 1000)}".encode())
        use_readable_encoding(connection)
        rights = read_rights(connection)
        refuse(target, rights.lacking_in(database))
        sequences = read_sequences(connection)
        tables = list_tables(connection)
        options = _dump_options(connection)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        use_canonical_settings(connection)
        _lock(connection, tables)
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        name = str(row[0]) if row else ""
        inventory = read_inventory(connection, sequences)
        _lock(connection, sorted(set(inventory.readable_names) - set(tables)))
        left_out = unreadable_sequences(connection)
        yield Snapshot(name, connection, inventory, rights, options, left_out)


def _dump_options(connection: psycopg.Connection[Any]) -> str:
    """Amounts of money would stand in the dump as this database writes them, and another role
    would read it. Nothing where neither is so: some connection poolers refuse options."""
    row = connection.execute(
        f"SELECT current_setting('lc_monetary'), {NAMES_ANOTHER_ROLE}".encode()
    ).fetchone()
    money, is_as_another = row or ("", False)
    return " ".join(
        [
            *(["-c lc_monetary=C"] if money not in {"C", "POSIX"} else []),
            *([OWN_ROLE] if is_as_another else []),
        ]
    )


def _lock(connection: psycopg.Connection[Any], tables: Sequence[str]) -> None:
    if tables:
        names = ", ".join(f"ONLY {table}" for table in tables)
        connection.execute(encoded(connection, f"LOCK TABLE {names} IN ACCESS SHARE MODE"))


class ContentReader:
    """Reads the content's facts in a thread of its own while the dump runs.

    As a context manager it ends the thread, also when the dump failed.
    """

    def __init__(
        self,
        target: PostgresTarget,
        snapshot: Snapshot,
        *,
        fingerprint_max_bytes: int,
        stall_timeout_s: float,
    ) -> None:
        self._target = target
        self._snapshot = snapshot
        self._limit = fingerprint_max_bytes
        self._stall_timeout_s = stall_timeout_s
        self._tables_begun = 0
        self._cancelled = threading.Event()
        self._facts: DatabaseFacts | None = None
        self._error: OnyxError | None = None
        self._defect: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="postgres-facts", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancelled.set()
        deadline = time.monotonic() + _CANCEL_S
        while self._thread.is_alive() and time.monotonic() < deadline:
            # More than once: the first may come between two queries. A dead server has its own
            # error, which must not hide the one that brought us here.
            with suppress(psycopg.Error):
                self._snapshot.connection.cancel_safe(timeout=2)
            self._thread.join(timeout=0.5)
        if self._thread.is_alive():
            _cut(self._snapshot.connection)
            self._thread.join(timeout=_CANCEL_S)

    def check(self) -> None:
        """Raise the thread's error now rather than at the end of a long dump."""
        failure = self._error or self._defect
        if failure is not None:
            raise failure

    def facts(self) -> DatabaseFacts:
        """Wait for the thread, as long as it comes to another table within the stall timeout.

        Raises:
            SourceError: it does not (transient), or the thread's own error.
        """
        seen = -1
        while self._thread.is_alive() and seen < self._tables_begun:
            seen = self._tables_begun
            self._thread.join(self._stall_timeout_s)
        self.check()
        if self._thread.is_alive():
            raise SourceError(
                f"PostgreSQL {self._target.address}, database"
                f" {self._snapshot.inventory.facts.database}: counting table"
                f" {self._snapshot.inventory.table_names[max(seen, 1) - 1]} was not done"
                f" {limit_text(self._stall_timeout_s)} after the dump.",
                remedy="See whether its server hangs; ONYX_STALL_TIMEOUT_S sets the limit.",
                transient=True,
            )
        if self._facts is None:
            raise SourceError("The facts were not read.", remedy="Run the backup again.")
        return self._facts

    def _next_table(self) -> bool:
        """Called before each table; True: stop."""
        self._tables_begun += 1
        return self._cancelled.is_set()

    def _read(self) -> None:
        try:
            with postgres_errors(self._target, self._snapshot.inventory.facts.database):
                self._facts = read_content(
                    self._snapshot.connection,
                    self._snapshot.inventory,
                    fingerprint_max_bytes=self._limit,
                    cancelled=self._next_table,
                )
        except OnyxError as error:
            self._error = error
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            self._defect = error


def _cut(connection: psycopg.Connection[Any]) -> None:
    """Wake the thread that waits on a server that hangs. To close the connection under it would
    let libpq use freed memory, and read what comes for the next connection."""
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as shared,
    ):
        shared.shutdown(socket.SHUT_RDWR)


def dump(
    target: PostgresTarget,
    database: str,
    snapshot: Snapshot,
    sink: ByteSink,
    *,
    binaries: Binaries,
    stall_timeout_s: float,
    meter: Meter,
    reader: ContentReader,
) -> None:
    """Stream `pg_dump` of the snapshot; returns only if it ended well.

    Raises:
        SourceError: pg_dump failed or stalled, or the facts did.
    """
    command: list[str | Path] = [
        binaries.path("pg_dump"),
        "--format=custom",
        "--compress=0",
        "--no-password",
        f"--lock-wait-timeout={_DUMP_LOCK_WAIT_MS}",
        f"--snapshot={snapshot.name}",
        *(f"--exclude-table-data={pattern}" for pattern in snapshot.left_out),
    ]
    try:
        with (
            postgres_errors(target, database),
            output_of(
                command,
                environment=target.environment(database, options=snapshot.dump_options),
                stall_timeout_s=stall_timeout_s,
                secrets=target.secrets,
            ) as output,
        ):
            while data := output.read():
                sink.write(data)
                meter.add(len(data))
                reader.check()
    except SourceError:
        # If the facts failed first, the snapshot went with them and pg_dump only says that.
        reader.check()
        raise
