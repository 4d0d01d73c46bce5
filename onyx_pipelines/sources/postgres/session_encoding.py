"""Which encoding a session speaks: UTF-8, but where a database holds other bytes."""

from __future__ import annotations

from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.schema import read_schema

Connection = psycopg.Connection[Any]


def use_readable_encoding(connection: Connection) -> None:
    """For the rest of the session.

    SQL_ASCII knows no encoding and may have any bytes in names and definitions, of which the server
    gives out as UTF-8 what is UTF-8. In LATIN1 each byte is a character, and the other way round.
    """
    if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
        return
    try:
        with connection.transaction():
            read_schema(connection)
    except psycopg.errors.CharacterNotInRepertoire:
        connection.execute("SET client_encoding = 'LATIN1'")


def encoded(connection: Connection, query: str) -> bytes:
    """A query with names of the database in it."""
    return query.encode(connection.info.encoding)
