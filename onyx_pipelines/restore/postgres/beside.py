"""Databases that are restored beside others, and replaced ones on their way out: told from every
other database by their name and by a comment, so that leftovers of a killed restore can go."""

from __future__ import annotations

import json
import secrets
import socket
from typing import Any, Final

import psycopg
from psycopg import sql

from onyx_pipelines.restore.postgres.loading import MAINTENANCE_DATABASE
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors

BESIDE_PREFIX: Final = "onyx_restore_"
REPLACED_PREFIX: Final = "onyx_replaced_"
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


def drop(connection: psycopg.Connection[Any], database: str) -> None:
    """With its sessions; one that is not there is fine."""
    connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
    )


def sweep(target: PostgresTarget) -> list[str]:
    """Drop what an interrupted restore of this host left; the host's lock says it is dead."""
    with (
        target.connect(MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, MAINTENANCE_DATABASE),
    ):
        rows = connection.execute(
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE starts_with(datname, %s) OR starts_with(datname, %s) ORDER BY 1",
            (BESIDE_PREFIX, REPLACED_PREFIX),
        ).fetchall()
        ours = [name for name, comment in rows if comment == mark()]
        for name in ours:
            drop(connection, name)
    return ours
