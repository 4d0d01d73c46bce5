"""Databases that are restored beside others, and replaced ones on their way out: told from every
other database by their name and by a comment, so that leftovers of a killed restore can go.

The comment is the record of what is under way, on the server and in no file: the server writes it
in the same transaction as the renaming that it tells of, so that neither is ever without the other.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import sql

from onyx_pipelines.restore.engine import Leftover
from onyx_pipelines.restore.postgres.loading import MAINTENANCE_DATABASE, session
from onyx_pipelines.sources.postgres.target import PostgresTarget

STAGED_PREFIX: Final = "onyx_restore_"
PREVIOUS_PREFIX: Final = "onyx_replaced_"
_MARK: Final = "onyx-pipelines-restore"
_TEMPLATE: Final = "template1"


def new_name(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(6)}"


def other_than(database: str) -> str:
    """A database to be connected to while `database` is renamed or dropped."""
    return _TEMPLATE if database == MAINTENANCE_DATABASE else MAINTENANCE_DATABASE


def mark() -> str:
    """The comment of our databases. The host is in it: another host's restore may be under way."""
    return json.dumps({_MARK: socket.gethostname()})


def marked(database: str) -> sql.Composed:
    """The statement that marks a database as ours."""
    return commented(database, mark())


def commented(database: str, comment: str | None) -> sql.Composed:
    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(
        sql.Identifier(database), sql.Literal(comment)
    )


def beside(
    target: PostgresTarget, database: str
) -> AbstractContextManager[psycopg.Connection[Any]]:
    """A session for what is done with `database` from another one. Raises as `session`."""
    return session(target, other_than(database), about=database)


def oid_of(target: PostgresTarget, database: str) -> int:
    """It stays the same when the database is renamed."""
    with beside(target, database) as connection:
        query = "SELECT oid::int8 FROM pg_database WHERE datname = %s"
        row = connection.execute(query, (database,)).fetchone()
    return int(row[0]) if row else 0


def drop(target: PostgresTarget, database: str) -> tuple[str, ...]:
    """With its sessions and subscriptions; one that is not there is fine.

    Gives the replication slots that its subscriptions had, each with its subscription: they stay on
    the servers that are published from, since somebody may go on from there.
    """
    with beside(target, database) as connection:
        slots = _drop_subscriptions(target, connection, database)
        if _is_template(connection, database):
            connection.execute(
                sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(database))
            )
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )
    return slots


def _is_template(connection: psycopg.Connection[Any], database: str) -> bool:
    row = connection.execute(
        "SELECT datistemplate FROM pg_database WHERE datname = %s", (database,)
    ).fetchone()
    return bool(row and row[0])


def _drop_subscriptions(
    target: PostgresTarget, connection: psycopg.Connection[Any], database: str
) -> tuple[str, ...]:
    """The server keeps a database that has any, and would ask their publishers to let go."""
    row = connection.execute(
        "SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
        " WHERE d.datname = %s LIMIT 1",
        (database,),
    ).fetchone()
    if row is None:
        return ()
    # Their names are in this database's encoding, whoever lists them.
    with session(target, database) as inside:
        found = inside.execute(
            "SELECT textsend(quote_ident(s.subname)), textsend(s.subslotname::text)"
            " FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
            " WHERE d.datname = current_database() ORDER BY 1"
        ).fetchall()
        for name, _ in found:
            for change in (b"DISABLE", b"SET (slot_name = NONE)"):
                inside.execute(b"ALTER SUBSCRIPTION " + name + b" " + change)
            inside.execute(b"DROP SUBSCRIPTION " + name)
    return tuple(
        f"{slot.decode(errors='replace')} of subscription {name.decode(errors='replace')}"
        for name, slot in found
        if slot
    )


def leftovers_on(target: PostgresTarget) -> list[Leftover]:
    """What interrupted restores of this host left."""
    with session(target) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database"
            " WHERE (starts_with(datname, %s) OR starts_with(datname, %s))"
            " AND shobj_description(oid, 'pg_database') = %s ORDER BY 1",
            (STAGED_PREFIX, PREVIOUS_PREFIX, mark()),
        ).fetchall()
    return [Leftover(f"database {name}", partial(drop, target, name)) for (name,) in rows]


@contextmanager
def inside(
    target: PostgresTarget, database: str, encoding: str
) -> Iterator[psycopg.Connection[Any]]:
    """A connection that converts nothing: for what a dump says of its database, byte by byte. From
    another database of another encoding the server would take the same bytes for other letters.

    Raises:
        SourceError: it cannot be made, or is lost inside the block.
    """
    with session(target, database) as connection:
        connection.execute(sql.SQL("SET client_encoding = {}").format(encoding))
        yield connection


def refusal(connection: psycopg.Connection[Any], statement: str) -> str:
    """What the server says to a statement of a dump; empty: it has done it.

    Raises:
        psycopg.OperationalError: the server was lost.
    """
    try:
        connection.execute(as_dumped(statement))
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        return str(error).strip()
    return ""


def as_dumped(statement: str) -> bytes:
    """The bytes of a statement that was read as UTF-8 with surrogates for what is none."""
    return statement.encode("utf-8", "surrogateescape")
