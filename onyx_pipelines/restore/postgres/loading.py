"""Loads a set's globals and dumps into a server: unsealed into scratch, then by PostgreSQL's own
programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from onyx_pipelines.errors import RestoreError, SourceError
from onyx_pipelines.processes import ProgramError, input_to, output_of
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres.dump_archive import DumpArchive
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import (
    read_content_like,
    read_inventory,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts
from onyx_pipelines.sources.postgres.inventory import read_globals
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors
from onyx_pipelines.sources.source import Component, object_path
from onyx_pipelines.vault.layout import SEALED_SUFFIX
from onyx_pipelines.vault.manifest import ObjectRecord

MAINTENANCE_DATABASE = "postgres"
_CHUNK = 1024 * 1024
_JOBS = 2
# Building an index may print nothing for long.
_STALL_TIMEOUT_S = 4 * 3600.0
_SHOWN_ERRORS = 5
# Nobody uses the database yet. What its transactions left unsynced is synced by the one that puts
# it in its place.
_FOR_LOADING = (
    "ALTER DATABASE {} SET synchronous_commit = off",
    "ALTER DATABASE {} SET maintenance_work_mem = '256MB'",
)


@dataclass(frozen=True)
class DatabaseObjects:
    """One database of a set: its dump, and what it was."""

    name: str
    dump: ObjectRecord
    facts: DatabaseFacts


def databases_of(objects: SetObjects, chosen: Sequence[str] = ()) -> list[DatabaseObjects]:
    """Every database of the set, or the chosen ones.

    Raises:
        RestoreError: a chosen one is not in the set.
    """
    found = []
    for record in objects.records(Component.POSTGRESQL, prefix="postgresql/"):
        if record.key.endswith(".dump" + SEALED_SUFFIX):
            key = object_path("facts", "postgresql", f"db-{record.name}", suffix=".json")
            facts = objects.read(objects.record(Component.POSTGRESQL, key + SEALED_SUFFIX))
            found.append(
                DatabaseObjects(record.name, record, DatabaseFacts.model_validate_json(facts))
            )
    missing = set(chosen) - {each.name for each in found}
    if missing:
        raise RestoreError(
            f"The set has no database {', '.join(sorted(missing))}.",
            remedy=f"It has: {', '.join(each.name for each in found) or 'none'}.",
        )
    return [each for each in found if not chosen or each.name in chosen]


def globals_of(objects: SetObjects) -> tuple[ObjectRecord, GlobalsFacts] | None:
    """Roles and grants, where the set has them."""
    scripts = [
        record
        for record in objects.records(Component.POSTGRESQL, prefix="postgresql/globals")
        if record.key.endswith(".sql" + SEALED_SUFFIX)
    ]
    if not scripts:
        return None
    key = object_path("facts", "postgresql", "globals", suffix=".json") + SEALED_SUFFIX
    facts = objects.read(objects.record(Component.POSTGRESQL, key))
    return scripts[0], GlobalsFacts.model_validate_json(facts)


def fetch(
    objects: SetObjects, record: ObjectRecord, path: Path, progress: ProgressCallback
) -> None:
    """Unseal an object into a private scratch file: pg_restore needs to seek.

    Raises:
        IntegrityError: the object is not what the manifest says; the file is incomplete.
    """
    meter = Meter(
        progress,
        component=Component.POSTGRESQL,
        item=record.name,
        total_bytes=record.plain_bytes,
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file, objects.open(record) as reader:
        while data := reader.read(_CHUNK):
            file.write(data)
            meter.add(len(data))
    meter.finish()


def create_database(target: PostgresTarget, name: str, facts: DatabaseFacts) -> None:
    """Empty, with the encoding and collation of the original, or C where this host lacks it."""
    for locale in dict.fromkeys(((facts.collation, facts.ctype), ("C", "C"))):
        statement = sql.SQL(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
        ).format(sql.Identifier(name), facts.encoding, *locale)
        try:
            with (
                target.connect(MAINTENANCE_DATABASE) as connection,
                postgres_errors(target, name),
            ):
                connection.execute(statement)
            return
        except SourceError as error:
            if "locale" not in error.what and "incompatible" not in error.what:
                raise
    raise RestoreError(
        f"The database {name} cannot be made with encoding {facts.encoding}.",
        remedy="Install the locale of the original server.",
    )


def apply_globals(target: PostgresTarget, binaries: Binaries, script: Path) -> None:
    """Run the script of roles and grants; what is there already is left as it is."""
    command: list[str | Path] = [
        binaries.path("psql"), "--no-psqlrc", "--quiet", "--no-password",
        "--file", script, "--output", "/dev/null",
    ]  # fmt: skip
    _run(command, target, MAINTENANCE_DATABASE)


def load_dump(
    target: PostgresTarget,
    binaries: Binaries,
    database: str,
    archive: DumpArchive,
    *,
    with_owners: bool = True,
) -> tuple[str, ...]:
    """Restore a dump while it is unsealed; gives what pg_restore complained of, empty if nothing.

    First the schema, then the rows as they come, then what is built over them (indexes, keys), in
    two jobs. The database is set up for loading; `settle` takes that back.

    Args:
        with_owners: whether owners and grants are restored too, for which the roles must be there.

    Raises:
        SourceError: the server was lost.
        IntegrityError, NotFoundError: the dump is not what the manifest says.
    """
    options = ["--no-password", f"--dbname={connection_string(database)}"]
    if not with_owners:
        options += ["--no-owner", "--no-privileges"]
    program = binaries.path("pg_restore")
    complaints: list[str] = []
    try:
        archive.read_contents(binaries)
    except ProgramError as error:
        return _complaints(error)
    _execute(target, database, _FOR_LOADING)
    for section in ("pre-data", "data", "post-data"):
        command: list[str | Path] = [program, *options, f"--section={section}"]
        try:
            if section == "data":
                with input_to(
                    command,
                    environment=target.environment(database),
                    stall_timeout_s=_STALL_TIMEOUT_S,
                    secrets=target.secrets,
                ) as restoring:
                    archive.feed(restoring)
                    restoring.finish()
            else:
                _run([*command, f"--jobs={_JOBS}", archive.contents], target, database)
        except ProgramError as error:
            complaints += _complaints(error)
    return tuple(complaints[:_SHOWN_ERRORS])


def settle(target: PostgresTarget, database: str) -> None:
    """Take back what only loading needed."""
    _execute(target, database, ("ALTER DATABASE {} RESET ALL",))


def _complaints(error: ProgramError) -> tuple[str, ...]:
    lines = [line for line in error.stderr_tail.split("\n") if "error:" in line]
    return tuple(lines[:_SHOWN_ERRORS]) or (error.what,)


def _execute(target: PostgresTarget, database: str, statements: Sequence[str]) -> None:
    with (
        target.connect(MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, database),
    ):
        for statement in statements:
            connection.execute(sql.SQL(statement).format(sql.Identifier(database)))


def read_restored(target: PostgresTarget, database: str, expected: DatabaseFacts) -> DatabaseFacts:
    """The facts of a restored database, by the rules that the expected ones were read by."""
    with target.connect(database) as connection, postgres_errors(target, database):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        use_canonical_settings(connection)
        found = read_content_like(connection, read_inventory(connection), expected)
        connection.execute("COMMIT")
    return found


def read_restored_globals(target: PostgresTarget, expected: GlobalsFacts) -> GlobalsFacts:
    with (
        target.connect(MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, MAINTENANCE_DATABASE),
    ):
        return read_globals(connection, with_passwords=expected.with_passwords)


def available_extensions(target: PostgresTarget) -> frozenset[str]:
    with (
        target.connect(MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, MAINTENANCE_DATABASE),
    ):
        rows = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
    return frozenset(name for (name,) in rows)


def _run(command: Sequence[str | Path], target: PostgresTarget, database: str) -> None:
    with output_of(
        command,
        environment=target.environment(database),
        stall_timeout_s=_STALL_TIMEOUT_S,
        secrets=target.secrets,
    ) as output:
        while output.read():
            pass


def connection_string(database: str) -> str:
    """pg_restore wants a name to restore into; one with `=` would be taken for a whole string."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"
