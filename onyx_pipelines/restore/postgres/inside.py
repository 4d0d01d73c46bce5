"""Where what a dump says of its database is said: inside of it, byte by byte as it was dumped. From
another database of another encoding the server would take the same bytes for other letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors


@contextmanager
def inside(
    target: PostgresTarget, database: str, encoding: str
) -> Iterator[psycopg.Connection[Any]]:
    """A connection that converts nothing.

    Raises:
        SourceError: it cannot be made, or is lost inside the block.
    """
    with target.connect(database) as connection, postgres_errors(target, database):
        connection.execute(sql.SQL("SET client_encoding = {}").format(encoding))
        yield connection


def as_dumped(statement: str) -> bytes:
    """The bytes of a statement that was read as UTF-8 with surrogates for what is none."""
    return statement.encode("utf-8", "surrogateescape")
