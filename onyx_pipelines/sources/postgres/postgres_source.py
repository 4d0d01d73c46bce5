"""The PostgreSQL component: every database's dump and facts, and what belongs to all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from psycopg.conninfo import make_conninfo

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Meter, ProgressCallback
from onyx_pipelines.core.settings import PostgresSettings
from onyx_pipelines.host.processes import output_of
from onyx_pipelines.sources.postgres.binaries import Binaries, find_binaries
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts
from onyx_pipelines.sources.postgres.inventory import (
    list_databases,
    list_shut_databases,
    server_major,
    server_version,
)
from onyx_pipelines.sources.postgres.rights import (
    LackingRight,
    Rights,
    closed_databases,
    may_read_passwords,
    read_rights,
    refuse,
)
from onyx_pipelines.sources.postgres.server_facts import read_globals, script_of_settings
from onyx_pipelines.sources.postgres.snapshot import ContentReader, dump, open_snapshot
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors
from onyx_pipelines.sources.source import (
    Component,
    ComponentReport,
    ComponentSink,
    ComponentStatus,
    object_path,
)

DUMP_MEDIA_TYPE: Final = "application/x-postgresql-dump"
_ALL = ("*",)


def _left_out(facts: DatabaseFacts, rights: Rights) -> list[str]:
    said = list(rights.left_out)
    if names := [table.name for table in facts.tables if table.left_out]:
        said.append(f"rows of unlogged tables, since a standby has none: {', '.join(names)}")
    return [f"database {facts.database}: left out are {each}" for each in said]


@dataclass(frozen=True)
class _Server:
    """`closed`: databases that the role may not connect to. `left_out`: those nobody may, if
    all are wished, and why."""

    version: str
    databases: tuple[str, ...]
    binaries: Binaries
    closed: Mapping[str, LackingRight]
    may_read_passwords: bool
    left_out: tuple[str, ...]


class PostgresSource:
    """Reads the databases one after the other, in the order of their names.

    Args:
        databases: names, or ("*",) for all that allow connections.
        bindir: where pg_dump is; None: the newest installed that is not older than the server.
    """

    component = Component.POSTGRESQL

    def __init__(
        self,
        target: PostgresTarget,
        *,
        databases: Sequence[str] = _ALL,
        maintenance_database: str = "postgres",
        with_globals: bool = True,
        bindir: Path | None = None,
        fingerprint_max_bytes: int = 2_000_000_000,
        lock_timeout_s: float = 120,
        stall_timeout_s: float = 300,
    ) -> None:
        self._target = target
        self._databases = tuple(dict.fromkeys(databases))
        self._maintenance = maintenance_database
        self._with_globals = with_globals
        self._bindir = bindir
        self._fingerprint_max_bytes = fingerprint_max_bytes
        self._lock_timeout_s = lock_timeout_s
        self._stall_timeout_s = stall_timeout_s

    @classmethod
    def from_settings(cls, settings: PostgresSettings) -> Self:
        """The server and databases that `ONYX_PG_HOST` and its neighbours name."""
        return cls(
            PostgresTarget.from_settings(settings),
            databases=settings.pg_databases,
            maintenance_database=settings.pg_maintenance_database,
            with_globals=settings.pg_globals,
            bindir=settings.pg_bindir,
            fingerprint_max_bytes=settings.pg_fingerprint_max_bytes,
            lock_timeout_s=settings.pg_lock_timeout_s,
            stall_timeout_s=settings.stall_timeout_s,
        )

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        """Write every database's dump and facts, and the globals.

        Raises:
            SourceError: any of it could not be read whole.
        """
        server = self._probe()
        refuse(self._target, list(server.closed.values()))
        warnings = [f"left out is {each}" for each in server.left_out]
        if self._with_globals:
            warnings += self._back_up_globals(sink, server, progress)
        facts = []
        for name in server.databases:
            found, left_out = self._back_up_database(sink, server, name, progress)
            facts.append(found)
            warnings += left_out
        return ComponentReport(
            component=self.component,
            status=(
                ComponentStatus.COMPLETED_WITH_WARNINGS if warnings else ComponentStatus.COMPLETED
            ),
            summary={
                "tables_count": sum(len(each.tables) for each in facts),
                "rows_count": sum(each.rows for each in facts),
                "databases_count": len(facts),
                "database_bytes": sum(each.size_bytes for each in facts),
                "sampled_tables_count": sum(
                    table.sample_modulus > 1 or table.fingerprint is None
                    for each in facts
                    for table in each.tables
                ),
            },
            versions={
                "postgresql": server.version,
                "pg_dump": str(server.binaries.version),
            },
            warnings=tuple(warnings),
        )

    def describe(self) -> str:
        """Which server, databases and pg_dump, and what will be left out; reads no data.

        Raises:
            SourceError: the server, a chosen database, a fitting pg_dump or a right is not there.
        """
        server = self._probe()
        lacking, left_out = list(server.closed.values()), list(server.left_out)
        if self._with_globals and not server.may_read_passwords:
            left_out.append("passwords of roles")
        for name in server.databases:
            if name not in server.closed:
                with self._target.connect(name) as connection, postgres_errors(self._target, name):
                    rights = read_rights(connection)
                lacking += rights.lacking_in(name)
                left_out += [f"{each} ({name})" for each in rights.left_out]
        refuse(self._target, lacking)
        return (
            f"PostgreSQL {server.version} at {self._target.address}, databases"
            f" {', '.join(server.databases) or 'none'}, pg_dump {server.binaries.version}"
            f"{'; left out: ' if left_out else ''}{', '.join(left_out)}"
        )

    def _probe(self) -> _Server:
        with (
            self._target.connect(self._maintenance) as connection,
            postgres_errors(self._target, self._maintenance),
        ):
            present, shut = list_databases(connection), list_shut_databases(connection)
            version, major = server_version(connection), server_major(connection)
            closed = closed_databases(connection, present)
            passwords = may_read_passwords(connection)
        is_all = self._databases == _ALL
        wanted = present if is_all else tuple(dict.fromkeys(self._databases))
        if not wanted:
            raise SourceError(
                f"No database of PostgreSQL {self._target.address} was chosen.",
                remedy="Name them in ONYX_PG_DATABASES, or `*` for all; unset ONYX_PG_HOST if there"
                " is nothing to back up.",
            )
        missing = [name for name in wanted if name not in present]
        if missing:
            raise SourceError(
                f"PostgreSQL {self._target.address} has no database {', '.join(missing)} that"
                " allows connections.",
                remedy=f"Correct ONYX_PG_DATABASES; there are: {', '.join(present)}.",
            )
        return _Server(
            version,
            wanted,
            find_binaries(major, bindir=self._bindir),
            {name: each for name, each in closed.items() if name in wanted},
            passwords,
            tuple(f"database {name}, since {why}" for name, why in shut.items() if is_all),
        )

    def _back_up_database(
        self, sink: ComponentSink, server: _Server, database: str, progress: ProgressCallback
    ) -> tuple[DatabaseFacts, list[str]]:
        """Its facts, and what is left out."""
        with open_snapshot(self._target, database, lock_timeout_s=self._lock_timeout_s) as snapshot:
            meter = Meter(
                progress,
                component=self.component,
                item=database,
                total_bytes=snapshot.inventory.facts.size_bytes,
            )
            with (
                ContentReader(
                    self._target,
                    snapshot,
                    fingerprint_max_bytes=self._fingerprint_max_bytes,
                    stall_timeout_s=self._stall_timeout_s,
                ) as reader,
                sink.object(
                    object_path("postgresql", database, suffix=".dump"),
                    name=database,
                    media_type=DUMP_MEDIA_TYPE,
                ) as output,
            ):
                dump(
                    self._target,
                    database,
                    snapshot,
                    output,
                    binaries=server.binaries,
                    stall_timeout_s=self._stall_timeout_s,
                    meter=meter,
                    reader=reader,
                )
                facts = snapshot.rights.as_dumped(reader.facts())
        self._write_facts(
            sink,
            object_path("facts", "postgresql", f"db-{database}", suffix=".json"),
            database,
            facts,
        )
        meter.finish()
        return facts, _left_out(facts, snapshot.rights)

    def _back_up_globals(
        self, sink: ComponentSink, server: _Server, progress: ProgressCallback
    ) -> list[str]:
        """Roles and grants; without passwords where the role may not read them, with a warning."""
        warnings: list[str] = []
        options = [] if server.may_read_passwords else ["--no-role-passwords"]
        with (
            self._target.connect(self._maintenance) as connection,
            postgres_errors(self._target, self._maintenance),
        ):
            facts = read_globals(connection, with_passwords=not options)
        script = self._dump_globals(server, *options)
        script += script_of_settings(facts.settings_of_all).encode()
        if options:
            warnings.append(
                "roles were saved without their passwords: the backup role may not read pg_authid"
                f" (in database {self._maintenance}: GRANT SELECT ON pg_catalog.pg_authid TO it)"
            )
        meter = Meter(progress, component=self.component, item="globals", total_bytes=len(script))
        with sink.object(
            object_path("postgresql", "globals", suffix=".sql"),
            name="globals",
            media_type="application/sql",
        ) as output:
            output.write(script)
            meter.add(len(script))
        self._write_facts(
            sink, object_path("facts", "postgresql", "globals", suffix=".json"), "globals", facts
        )
        meter.finish()
        return warnings

    def _dump_globals(self, server: _Server, *options: str) -> bytes:
        """The script, which is small."""
        command: list[str | Path] = [
            server.binaries.path("pg_dumpall"),
            "--globals-only",
            "--no-password",
            # A name alone would be parsed as a connection string if it has an equals sign.
            f"--database={make_conninfo(dbname=self._maintenance)}",
            *options,
        ]
        with (
            postgres_errors(self._target, self._maintenance),
            output_of(
                command,
                environment=self._target.environment(self._maintenance),
                stall_timeout_s=self._stall_timeout_s,
                secrets=self._target.secrets,
            ) as output,
        ):
            return b"".join(iter(output.read, b""))

    def _write_facts(
        self, sink: ComponentSink, path: str, name: str, facts: DatabaseFacts | GlobalsFacts
    ) -> None:
        with sink.object(path, name=name, media_type="application/json") as output:
            output.write(facts.model_dump_json().encode())
