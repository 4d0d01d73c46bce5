"""A database takes the place of another in one transaction of the server: there is no moment in
which neither is there, and none in which a failed one is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from onyx_pipelines.core.errors import RestoreError, SourceError
from onyx_pipelines.core.text import stamp_text
from onyx_pipelines.restore.postgres.marked_databases import (
    PREVIOUS_PREFIX,
    as_dumped,
    commented,
    drop,
    inside,
    marked,
    new_name,
    other_than,
)
from onyx_pipelines.restore.postgres.server import LONGEST_NAME_BYTES
from onyx_pipelines.sources.postgres.target import PostgresTarget

_ATTEMPTS = 5
_PAUSE_S = 0.2
_IN_USE = "55006"


def put_in_place(
    target: PostgresTarget,
    staged: str,
    final_name: str,
    *,
    comment: str | None,
    encoding: str,
    keep_old: bool,
) -> tuple[str | None, tuple[str, ...]]:
    """Rename `staged` to `final_name`; what has that name goes out of the way first.

    Sessions of both are ended. Gives the name under which the old one was kept, if it was, and the
    replication slots that it leaves elsewhere (see `drop`).

    Args:
        comment: the statement that comments the database, under its final name.
        encoding: of the database. A comment that is not ASCII can only be made inside of it, so
            right after it is in its place.

    Raises:
        RestoreError: the server refuses; both databases are as they were.
    """
    maintenance = other_than(final_name)
    with target.connect(maintenance) as connection:
        exists = _exists(connection, final_name)
        old = _name_for_old(final_name, keep_old=keep_old) if exists else None
        _swap(target, maintenance, connection, staged, final_name, old, comment, keep_old=keep_old)
    if comment is not None and not comment.isascii():
        with inside(target, final_name, encoding) as connection:
            connection.execute(as_dumped(comment))
    if old is None or keep_old:
        return old, ()
    return None, drop(target, old)


def _swap(
    target: PostgresTarget,
    maintenance: str,
    connection: psycopg.Connection[Any],
    staged: str,
    final_name: str,
    old: str | None,
    comment: str | None,
    *,
    keep_old: bool,
) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with (
                _sessions_ended(target, maintenance, (staged, final_name)),
                connection.transaction(),
            ):
                if old is not None:
                    connection.execute(_renaming(final_name, old))
                    if not keep_old:
                        connection.execute(marked(old))
                connection.execute(_renaming(staged, final_name))
                connection.execute(commented(final_name, None))
                if comment is not None and comment.isascii():
                    connection.execute(comment.encode())
            return
        except psycopg.Error as error:
            # Somebody connected between our look and the server's: end that one too.
            if error.sqlstate == _IN_USE and attempt < _ATTEMPTS:
                continue
            raise RestoreError(
                f"The restored database could not take the place of {final_name}"
                f" ({str(error).strip()}); {final_name} is as it was.",
                remedy="Restore as a role that owns the database or is a superuser, and end what"
                " holds it (prepared transactions, replication).",
            ) from None


@contextmanager
def _sessions_ended(
    target: PostgresTarget, maintenance: str, databases: tuple[str, ...]
) -> Iterator[None]:
    """End sessions of the databases for as long as the block runs.

    The server lets nobody else in once a renaming waits, and gives up if somebody is still there
    after five seconds: so sessions are ended from another connection meanwhile.
    """
    stopped = threading.Event()

    def end() -> None:
        with suppress(psycopg.Error, SourceError), target.connect(maintenance) as other:
            while not stopped.is_set():
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = ANY (%s) AND pid <> pg_backend_pid()",
                    (list(databases),),
                )
                stopped.wait(_PAUSE_S)

    thread = threading.Thread(target=end, name="postgres-sessions", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _renaming(name: str, new: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
        sql.Identifier(name), sql.Identifier(new)
    )


def _name_for_old(name: str, *, keep_old: bool) -> str:
    if not keep_old:
        return new_name(PREVIOUS_PREFIX)
    suffix = f"_before_{stamp_text(datetime.now(UTC))}"
    room = LONGEST_NAME_BYTES - len(suffix)
    return name.encode()[:room].decode("utf-8", "ignore") + suffix


def _exists(connection: psycopg.Connection[Any], database: str) -> bool:
    query = "SELECT FROM pg_database WHERE datname = %s"
    return connection.execute(query, (database,)).fetchone() is not None
