"""The server that a restore goes into, as it is before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from onyx_pipelines.restore.postgres.loading import MAINTENANCE_DATABASE
from onyx_pipelines.sources.postgres.inventory import server_major, server_version
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors


@dataclass(frozen=True)
class DatabaseThere:
    """A database of the server, how many sessions it has, and whether we may rename it."""

    oid: int
    size_bytes: int
    sessions: int
    is_ours: bool


@dataclass(frozen=True)
class TargetServer:
    """`extensions`: those that can be created there."""

    version: str
    major: int
    user: str
    may_create: bool
    databases: Mapping[str, DatabaseThere]
    roles: frozenset[str]
    extensions: frozenset[str]


def look_at(target: PostgresTarget) -> TargetServer:
    """Reads catalogs only.

    Raises:
        SourceError: it does not answer.
    """
    with (
        target.connect(MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, MAINTENANCE_DATABASE),
    ):
        databases = connection.execute(
            "SELECT d.datname, d.oid::int8, CASE WHEN has_database_privilege(d.oid, 'CONNECT')"
            " THEN pg_database_size(d.oid) ELSE 0 END,"
            " (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid"
            "  AND a.pid <> pg_backend_pid()), pg_has_role(d.datdba, 'USAGE') FROM pg_database d"
        ).fetchall()
        roles = connection.execute("SELECT rolname FROM pg_roles").fetchall()
        extensions = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
        row = connection.execute(
            "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        return TargetServer(
            version=server_version(connection),
            major=server_major(connection),
            user=target.user,
            may_create=bool(row and row[0]),
            databases={name: DatabaseThere(*facts) for name, *facts in databases},
            roles=frozenset(name for (name,) in roles),
            extensions=frozenset(name for (name,) in extensions),
        )


def letting_create(role: str) -> str:
    """The statement that lets a role create databases."""
    return f"ALTER ROLE {sql.Identifier(role).as_string()} CREATEDB"
