"""What the applications of the sandbox would find: one digest per table, collection and file.

Read by plain queries, the public API and the file system, so that it shares nothing with the code
that backs up, restores and compares.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from qdrant_client import QdrantClient

from onyx_pipelines.sandbox.postgres_server import PostgresServer

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2
"""
_ROLES = "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
_PAGE = 256


def application_data(
    postgres: PostgresServer, databases: tuple[str, ...], qdrant_url: str, volumes: Path
) -> dict[str, str]:
    """Name of the thing → digest of all that it holds."""
    return {
        **dict(_database_digests(postgres, databases)),
        **dict(_collection_digests(qdrant_url)),
        **dict(_file_digests(volumes)),
    }


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is missing, added or changed, in the order of names."""
    names = sorted({*before, *after})
    return [
        f"{name}: "
        + ("missing" if name not in after else "added" if name not in before else "changed")
        for name in names
        if before.get(name) != after.get(name)
    ]


def _database_digests(
    server: PostgresServer, databases: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    with server.connect() as connection:
        yield "roles", _digest(connection.execute(_ROLES).fetchall())
    for database in databases:
        with server.connect(database) as connection:
            connection.execute("SET timezone = 'UTC'")
            for schema, table in connection.execute(_TABLES).fetchall():
                yield f"table {database}.{schema}.{table}", _table(connection, schema, table)
            sequences = connection.execute(
                "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
            ).fetchall()
            yield f"sequences of {database}", _digest(sequences)
            indexes = connection.execute(
                "SELECT indexdef FROM pg_indexes WHERE schemaname !~ '^pg_' ORDER BY 1"
            ).fetchall()
            yield f"indexes of {database}", _digest(indexes)


def _table(connection: psycopg.Connection[Any], schema: str, table: str) -> str:
    """Rows in the order of their text, streamed."""
    digest = hashlib.sha256()
    rows = sql.SQL('COPY (SELECT t::text FROM {} t ORDER BY t::text COLLATE "C") TO STDOUT').format(
        sql.Identifier(schema, table)
    )
    with connection.cursor() as cursor, cursor.copy(rows) as copy:
        for data in copy:
            digest.update(data)
    return digest.hexdigest()


def _collection_digests(url: str) -> Iterator[tuple[str, str]]:
    client = QdrantClient(url=url)
    names = sorted(each.name for each in client.get_collections().collections)
    aliases = sorted(
        (each.alias_name, each.collection_name) for each in client.get_aliases().aliases
    )
    yield "aliases", _digest(aliases)
    for name in names:
        points = hashlib.sha256()
        for line in sorted(_points(client, name)):
            points.update(line.encode())
        yield f"collection {name}", points.hexdigest()
    client.close()


def _points(client: QdrantClient, collection: str) -> Iterator[str]:
    offset: Any = None
    while True:
        found, offset = client.scroll(
            collection, limit=_PAGE, offset=offset, with_payload=True, with_vectors=True
        )
        for point in found:
            whole = [point.id, point.vector, point.payload]
            yield json.dumps(whole, sort_keys=True, default=str)
        if offset is None:
            return


def _file_digests(volumes: Path) -> Iterator[tuple[str, str]]:
    for root, folders, files in os.walk(os.fsencode(volumes)):
        for name in sorted((*folders, *files)):
            path = os.path.join(root, name)  # noqa: PTH118  (names are any bytes)
            status = os.lstat(path)
            if stat.S_ISSOCK(status.st_mode):
                continue  # no archive can hold one
            shown = os.path.relpath(path, os.fsencode(volumes)).decode("utf-8", "backslashreplace")
            what = [stat.filemode(status.st_mode), status.st_uid, status.st_gid]
            if stat.S_ISREG(status.st_mode):
                what += [status.st_mtime_ns, _sha256(path)]
            elif stat.S_ISLNK(status.st_mode):
                what.append(os.readlink(path).decode("utf-8", "backslashreplace"))  # noqa: PTH115  (bytes, which Path cannot hold)
            yield f"file {shown}", _digest(what)


def _sha256(path: bytes) -> str:
    with open(path, "rb") as file:  # noqa: PTH123  (bytes)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()
