"""One database of a drill: restored under a name on a scratch server, compared, dropped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from psycopg import sql

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.processes import ProgramError, output_of
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.beside import drop, other_than
from onyx_pipelines.restore.postgres.comparison import database_findings
from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.drill_findings import (
    complained,
    damaged,
    damaged_pages,
    excused,
    no_room,
    reports_of_damage,
)
from onyx_pipelines.restore.postgres.dump_archive import open_dump
from onyx_pipelines.restore.postgres.late_extensions import not_brought
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.staging import Staged, Staging
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.restore.room import free_bytes
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.target import postgres_errors

_AMCHECK_TIMEOUT_S: Final = 3600.0
# What must stay free for others, and for the log that loading writes.
_RESERVE_BYTES: Final = 256 << 20
_LACKING_ROLE = re.compile(r'role "([^"]+)" does not exist')


class DatabaseDrilling:
    """Restores and compares one database after the other on the same scratch server.

    Args:
        holds_data: whether the databases lie on the file system of `scratch`, which then needs room
            for them.
    """

    def __init__(
        self,
        objects: SetObjects,
        clock: StepClock,
        progress: ProgressCallback,
        staging: Staging,
        scratch: Path,
        *,
        holds_data: bool,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._progress = progress
        self._staging = staging
        self._scratch = scratch
        self._holds_data = holds_data
        self.restored_bytes = 0

    def run(self, database: DatabaseObjects, name: str) -> list[Finding]:
        """Drill one database under this name."""
        size = database.dump.plain_bytes
        needed = (database.facts.size_bytes if self._holds_data else 0) + _RESERVE_BYTES
        shortage = needed - free_bytes(self._scratch)
        if shortage > 0:
            return [no_room(database.name, str(self._scratch.parent), shortage)]
        try:
            with self._clock.step(Step.RESTORE, database.name, plain_bytes=size):
                staged = self._stage(database, name)
            self.restored_bytes += size
            with self._clock.step(Step.COMPARE, database.name):
                return self._compare(database, staged)
        except (IntegrityError, NotFoundError) as error:
            return [damaged(database.name, error)]
        finally:
            with self._clock.step(Step.CLEAN_UP, database.name):
                self._drop(name)

    def _stage(self, database: DatabaseObjects, name: str) -> Staged:
        if name == loading.MAINTENANCE_DATABASE:
            # Every cluster has one; this is to be like the set's.
            drop(self._staging.target, name)
        with open_dump(self._objects, database.dump, self._progress) as archive:
            return self._staging.make(database, name, archive)

    def _compare(self, database: DatabaseObjects, staged: Staged) -> list[Finding]:
        expected, found = self._staging.compared(database, staged)
        comparison = compare(expected, found, with_roles=self._staging.with_roles)
        findings = database_findings(
            expected, comparison, staged.limits, with_roles=self._staging.with_roles
        )
        findings += self._check_pages(database.name, staged.name)
        for extension in staged.late:
            place = self._staging.place_of(extension, staged.name)
            findings.append(not_brought(database.name, extension, place))
        if staged.complaints:
            findings.append(complained(database.name, staged.complaints))
        reason = self._lacking(database, staged.complaints)
        return excused(findings, database.name, reason) if reason else findings

    def _lacking(self, database: DatabaseObjects, complaints: tuple[str, ...]) -> str:
        """What the scratch server does not have and the database needs; empty if it has all."""
        wanted = frozenset(extension.name for extension in database.facts.extensions)
        extensions = wanted - loading.available_extensions(self._staging.target)
        if extensions:
            return f"the scratch PostgreSQL lacks {', '.join(sorted(extensions))}"
        if self._staging.with_roles:
            return ""
        roles = [found[1] for each in complaints if (found := _LACKING_ROLE.search(each))]
        return f"the server for drills lacks the role {roles[0]}" if roles else ""

    def _check_pages(self, item: str, name: str) -> list[Finding]:
        """pg_amcheck, where it is installed: every heap and index is consistent."""
        program = self._staging.binaries.path("pg_amcheck")
        if not program.exists():
            return []
        command: list[str | Path] = [
            program,
            "--install-missing",
            "--no-password",
            "--heapallindexed",
            # A name alone would be parsed as a connection string if it looks like one.
            loading.connection_string(name),
        ]
        pieces = []
        try:
            with output_of(
                command,
                environment=self._staging.target.environment(name, options=loading.FOR_WRITING),
                stall_timeout_s=_AMCHECK_TIMEOUT_S,
            ) as output:
                while data := output.read():
                    pieces.append(data)
        except ProgramError as error:
            if "amcheck" in error.stderr_tail and (
                "not available" in error.stderr_tail or "permission denied" in error.stderr_tail
            ):
                return []
            damage = reports_of_damage(b"".join(pieces).decode("utf-8", "replace"))
            if damage or error.stderr_tail:
                return [damaged_pages(item, [*damage, error.stderr_tail])]
        return [
            Finding(
                verdict=Verdict.PASSED,
                item=item,
                aspect="pages",
                message="pg_amcheck found every heap and index consistent",
            )
        ]

    def _drop(self, name: str) -> None:
        drop(self._staging.target, name)
        if name == loading.MAINTENANCE_DATABASE:
            with (
                self._staging.target.connect(other_than(name)) as connection,
                postgres_errors(self._staging.target, name),
            ):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
