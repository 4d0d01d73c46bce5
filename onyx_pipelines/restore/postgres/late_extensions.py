"""Brings back what a database can have only once it is in its place, from a second reading of its
dump."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.core.text import count_text
from onyx_pipelines.host.processes import EndedEarlyError, ProgramError
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.archive_listing import entries_where
from onyx_pipelines.restore.postgres.bound_extensions import BoundExtension, alone
from onyx_pipelines.restore.postgres.differences import content
from onyx_pipelines.restore.postgres.loading import DatabaseObjects, open_dump
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.postgres.content import (
    read_inventory,
    read_tables_like,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts


@dataclass(frozen=True)
class LateExtensions:
    """Of one set, on one server."""

    work: Work
    staging: Staging

    def bring(
        self, database: DatabaseObjects, name: str, extensions: Sequence[BoundExtension]
    ) -> list[Finding]:
        """Into the database `name`, which is in its place; those that are there already stay.

        Raises:
            IntegrityError, NotFoundError: the dump is not what the manifest says.
            SourceError: the server was lost.
        """
        findings = []
        for extension in extensions:
            place = self.staging.place_of(extension, name)
            if place != name:
                findings.append(not_brought(database.name, extension, place))
            elif not self._is_there(name, extension):
                findings.append(self._bring(database, name, extension))
        return findings

    def _is_there(self, name: str, extension: BoundExtension) -> bool:
        target = self.staging.target
        with loading.session(target, name) as connection:
            query = "SELECT FROM pg_extension WHERE extname = %s"
            return connection.execute(query, (extension.name,)).fetchone() is not None

    def _bring(self, database: DatabaseObjects, name: str, extension: BoundExtension) -> Finding:
        try:
            self._load(database, name, extension)
        except ProgramError as error:
            return _failed(name, extension, error.what)
        expected = alone(database.facts, extension)
        found = alone(self._read(expected, name), extension)
        differing = [f"{each.aspect.value} {each.name}" for each in content(expected, found)]
        if differing:
            return _failed(name, extension, ", ".join(differing))
        return Finding.passed(
            name,
            "in place",
            f"Put in place: extension {extension.name},"
            f" {count_text(sum(table.rows for table in expected.tables), 'row')}.",
        )

    def _load(self, database: DatabaseObjects, name: str, extension: BoundExtension) -> None:
        staging = self.staging
        command: list[str | Path] = [
            *(staging.binaries.path("pg_restore"), "--no-password", "--single-transaction"),
            f"--dbname={loading.connection_string(name)}",
        ]
        environment = loading.session_environment(staging.target, name, database.facts)
        with open_dump(self.work, database.dump) as archive:
            archive.read_contents(staging.binaries)
            entries = entries_where(archive.contents, staging.binaries, extension.has)
            # It has what it wants; the rest was read when the database was made.
            with suppress(EndedEarlyError):
                loading.feed(command, entries, archive, staging.target, environment)

    def _read(self, expected: DatabaseFacts, name: str) -> DatabaseFacts:
        target = self.staging.target
        with loading.session(target, name) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            use_canonical_settings(connection)
            inventory = read_inventory(connection)
            names = [table.name for table in expected.tables]
            tables = read_tables_like(connection, inventory.only(names), expected)
        return inventory.facts.model_copy(update={"tables": tables})


def not_brought(item: str, extension: BoundExtension, place: str) -> Finding:
    """`place`: the database that may have it there; empty: the server does not load it."""
    where = (
        f"which {extension.parameter} says is {place}" if place else "and that server loads it not"
    )
    return Finding.unverified(
        item,
        "extension",
        f"{extension.name} can be in one database of a server only, {where}: neither it nor"
        " its rows are restored",
    )


def _failed(name: str, extension: BoundExtension, why: str) -> Finding:
    return Finding.failed(
        name, "extension", f"The database is in its place, {extension.name} is not", found=why
    )
