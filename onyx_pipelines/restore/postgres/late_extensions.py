"""Brings back what a database can have only once it is in its place, from a second reading of its
dump."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.host.processes import EndedEarlyError, ProgramError, input_to
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.archive_listing import entries_where
from onyx_pipelines.restore.postgres.bound_extensions import BoundExtension, alone
from onyx_pipelines.restore.postgres.differences import content
from onyx_pipelines.restore.postgres.dump_archive import open_dump
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.postgres.content import (
    read_inventory,
    read_tables_like,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.target import postgres_errors


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
        with target.connect(name) as connection, postgres_errors(target, name):
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
            f" {sum(table.rows for table in expected.tables):,} rows.",
        )

    def _load(self, database: DatabaseObjects, name: str, extension: BoundExtension) -> None:
        with (
            open_dump(self.work, database.dump) as archive,
            tempfile.NamedTemporaryFile("w", suffix=".list", encoding="utf-8") as file,
        ):
            archive.read_contents(self.staging.binaries)
            file.write(entries_where(archive.contents, self.staging.binaries, extension.has))
            file.flush()
            command: list[str | Path] = [
                *(
                    self.staging.binaries.path("pg_restore"),
                    "--no-password",
                    "--single-transaction",
                ),
                *(f"--dbname={loading.connection_string(name)}", f"--use-list={file.name}"),
            ]
            try:
                with input_to(
                    command,
                    environment=loading.session_environment(
                        self.staging.target, name, database.facts
                    ),
                    stall_timeout_s=loading.STALL_TIMEOUT_S,
                    secrets=self.staging.target.secrets,
                ) as restoring:
                    archive.feed(restoring)
                    restoring.finish()
            except EndedEarlyError:
                # It has what it wants; the rest was read when the database was made.
                return

    def _read(self, expected: DatabaseFacts, name: str) -> DatabaseFacts:
        target = self.staging.target
        with target.connect(name) as connection, postgres_errors(target, name):
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
