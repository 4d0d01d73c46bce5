"""The server that a drill or a restore goes into, and the names there, before anything is touched.
The one that is backed up is none for drills, whatever name it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from psycopg import sql

from onyx_pipelines.core.errors import RestoreError, SettingsError, SourceError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Placement, placements_of
from onyx_pipelines.restore.postgres.loading import DatabaseObjects, session
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.inventory import (
    read_system_identifier,
    server_major,
    server_version,
)
from onyx_pipelines.sources.postgres.target import PostgresTarget

LONGEST_NAME_BYTES: Final = 63


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


def target_of(choice: RestoreChoice, settings: Settings) -> PostgresTarget:
    """The server to restore into.

    Raises:
        SettingsError: none is configured or named.
    """
    named = choice.address(("postgresql", "postgres"), "a PostgreSQL server")
    if named is not None:
        return PostgresTarget(
            host=str(named.hostname),
            port=named.port or settings.pg_port,
            user=unquote(named.username or settings.pg_user),
            password=settings.restore_pg_password or settings.pg_password,
            sslmode=settings.pg_sslmode,
        )
    if not settings.pg_host:
        raise SettingsError(
            "The settings of this host name no PostgreSQL server.",
            remedy="Set ONYX_PG_HOST, or name a server (--into postgresql://USER@HOST:PORT).",
        )
    return PostgresTarget.from_settings(settings)


def placed(
    choice: RestoreChoice, databases: Sequence[DatabaseObjects]
) -> list[Placement[DatabaseObjects]]:
    """Each database and the name it gets.

    Raises:
        SettingsError: another name, or tables, for more than one database; an impossible name.
    """
    named = choice.address(("postgresql", "postgres"), "a PostgreSQL server")
    name = choice.into if named is None else unquote(named.path.lstrip("/"))
    if choice.tables and len(databases) != 1:
        raise SettingsError(
            f"Tables are for one database, and {len(databases)} are to be restored.",
            remedy=f"Choose one with --database: {', '.join(each.name for each in databases)}.",
        )
    if len(name.encode()) > LONGEST_NAME_BYTES or "\0" in name:
        raise SettingsError(
            f"{name!r} cannot be the name of a database.",
            remedy=f"It may have {LONGEST_NAME_BYTES} bytes.",
        )
    return placements_of(databases, name, "database")


def look_at(target: PostgresTarget) -> TargetServer:
    """Reads catalogs only.

    Raises:
        SourceError: it does not answer.
    """
    with session(target) as connection:
        databases = connection.execute(
            "SELECT textsend(d.datname::text), d.oid::int8,"
            " CASE WHEN has_database_privilege(d.oid, 'CONNECT')"
            " THEN pg_database_size(d.oid) ELSE 0 END,"
            " (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid"
            "  AND a.pid <> pg_backend_pid()), pg_has_role(d.datdba, 'USAGE') FROM pg_database d"
        ).fetchall()
        roles = connection.execute("SELECT textsend(rolname::text) FROM pg_roles").fetchall()
        extensions = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
        row = connection.execute(
            "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        return TargetServer(
            version=server_version(connection),
            major=server_major(connection),
            user=target.user,
            may_create=bool(row and row[0]),
            databases={_shown(name): DatabaseThere(*facts) for name, *facts in databases},
            roles=frozenset(_shown(name) for (name,) in roles),
            extensions=frozenset(name for (name,) in extensions),
        )


def _shown(name: bytes) -> str:
    """One that is not in UTF-8 was given in another database's encoding, and is none of a set's."""
    return name.decode(errors="backslashreplace")


def letting_create(role: str) -> str:
    """The statement that lets a role create databases."""
    return f"ALTER ROLE {sql.Identifier(role).as_string()} CREATEDB"


_log = logger("restore")


def refuse_production(
    target: PostgresTarget, databases: Iterable[DatabaseFacts], settings: Settings
) -> None:
    """By the identifier that a cluster gets when it is made: one server has many names.

    It is compared with the one that each database was dumped from, and with the one that the
    settings name as the source now (which is another one after a move).

    Raises:
        RestoreError: it is the same, or it cannot be told.
        SourceError: the server for the drill does not answer.
    """
    identifier = identifier_of(target)
    if identifier is None:
        raise RestoreError(
            "Whether the server for drills is the one that is backed up cannot be told: its role"
            f" {target.user} may not read pg_control_system().",
            remedy="Nothing was touched. Grant it pg_monitor there.",
        )
    known = {each.system_identifier for each in databases}
    if settings.pg_host:
        source = PostgresTarget.from_settings(settings)
        if source.address == target.address:
            known.add(identifier)
        else:
            try:
                known.add(identifier_of(source))
            except SourceError as error:
                _log.warning("the source is not compared with the drill's server: %s", error.what)
    if identifier in known:
        raise RestoreError(
            f"The server for drills, {target.address}, is the one that is backed up.",
            remedy="Nothing was touched. Name another one in ONYX_DRILL_PG_HOST, or none: then a"
            " throw-away cluster is made.",
        )


def identifier_of(target: PostgresTarget) -> str | None:
    """Of the cluster; None where the role may not read it."""
    with session(target) as connection:
        return read_system_identifier(connection)
