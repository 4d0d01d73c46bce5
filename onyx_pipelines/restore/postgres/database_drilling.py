"""One database of a drill: restored under a name on a scratch server, compared, dropped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.processes import ProgramError, text_of
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.beside import drop, marked, other_than
from onyx_pipelines.restore.postgres.comparison import database_findings
from onyx_pipelines.restore.postgres.differences import compare
from onyx_pipelines.restore.postgres.drill_findings import complained, damaged, excused, no_room
from onyx_pipelines.restore.postgres.dump_archive import open_dump
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.restore.room import free_bytes
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors

_AMCHECK_TIMEOUT_S: Final = 3600.0
# What must stay free for others, and for the log that loading writes.
_RESERVE_BYTES: Final = 256 << 20
_LACKING_ROLE = re.compile(r'role "([^"]+)" does not exist')


class DatabaseDrilling:
    """Restores and compares one database after the other on the same scratch server.

    Args:
        holds_data: whether the databases lie on the file system of `scratch`, which then needs room
            for them.
        with_roles: whether the set's roles are there, so that owners and grants can be restored.
    """

    def __init__(
        self,
        objects: SetObjects,
        clock: StepClock,
        progress: ProgressCallback,
        target: PostgresTarget,
        binaries: Binaries,
        scratch: Path,
        *,
        holds_data: bool,
        with_roles: bool,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._progress = progress
        self._target = target
        self._binaries = binaries
        self._scratch = scratch
        self._holds_data = holds_data
        self._with_roles = with_roles
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
                complaints = self._load(database, name)
            self.restored_bytes += size
            with self._clock.step(Step.COMPARE, database.name):
                return self._compare(database, name, complaints)
        except (IntegrityError, NotFoundError) as error:
            return [damaged(database.name, error)]
        finally:
            with self._clock.step(Step.CLEAN_UP, database.name):
                self._drop(name)

    def _load(self, database: DatabaseObjects, name: str) -> tuple[str, ...]:
        # The server's own maintenance database exists in every cluster.
        if name != loading.MAINTENANCE_DATABASE:
            loading.create_database(self._target, name, database.facts)
            with (
                self._target.connect(other_than(name)) as connection,
                postgres_errors(self._target, name),
            ):
                connection.execute(marked(name))
        with open_dump(self._objects, database.dump, self._progress) as archive:
            return loading.load_dump(
                self._target, self._binaries, name, archive, with_owners=self._with_roles
            )

    def _compare(
        self, database: DatabaseObjects, name: str, complaints: tuple[str, ...]
    ) -> list[Finding]:
        found = loading.read_restored(self._target, name, database.facts)
        findings = database_findings(database.facts, compare(database.facts, found))
        findings += self._check_pages(database.name, name)
        if complaints:
            findings.append(complained(database.name, complaints))
        reason = self._lacking(database, complaints)
        return excused(findings, database.name, reason) if reason else findings

    def _lacking(self, database: DatabaseObjects, complaints: tuple[str, ...]) -> str:
        """What the scratch server does not have and the database needs; empty if it has all."""
        wanted = frozenset(extension.name for extension in database.facts.extensions)
        extensions = wanted - loading.available_extensions(self._target)
        if extensions:
            return f"the scratch PostgreSQL lacks {', '.join(sorted(extensions))}"
        if self._with_roles:
            return ""
        roles = [found[1] for each in complaints if (found := _LACKING_ROLE.search(each))]
        return f"the server for drills lacks the role {roles[0]}" if roles else ""

    def _check_pages(self, item: str, name: str) -> list[Finding]:
        """pg_amcheck, where it is installed: every heap and index is consistent."""
        program = self._binaries.path("pg_amcheck")
        if not program.exists():
            return []
        command: list[str | Path] = [
            program,
            "--install-missing",
            "--no-password",
            "--heapallindexed",
        ]
        environment = self._target.environment(name)
        try:
            text_of(command, environment=environment, timeout_s=_AMCHECK_TIMEOUT_S)
        except ProgramError as error:
            if "amcheck" in error.stderr_tail and (
                "not available" in error.stderr_tail or "permission denied" in error.stderr_tail
            ):
                return []
            return [
                Finding(
                    verdict=Verdict.FAILED,
                    item=item,
                    aspect="pages",
                    message="pg_amcheck found damage",
                    found=error.stderr_tail[-500:],
                )
            ]
        return [
            Finding(
                verdict=Verdict.PASSED,
                item=item,
                aspect="pages",
                message="pg_amcheck found every heap and index consistent",
            )
        ]

    def _drop(self, name: str) -> None:
        if name == loading.MAINTENANCE_DATABASE:
            return
        with (
            self._target.connect(other_than(name)) as connection,
            postgres_errors(self._target, name),
        ):
            drop(connection, name)
