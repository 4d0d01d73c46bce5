"""One database of a drill: restored under a name on a scratch server, compared, dropped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Final

from psycopg import sql

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.host.processes import ProgramError, output_of
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.engine import drilled
from onyx_pipelines.restore.findings import damaged, no_room
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.beside import drop, other_than
from onyx_pipelines.restore.postgres.drill_findings import (
    damaged_pages,
    excused,
    reports_of_damage,
)
from onyx_pipelines.restore.postgres.late_extensions import not_brought
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.staged_database import StagedDatabase
from onyx_pipelines.restore.postgres.staging import Staged, Staging
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.room import free_bytes
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.target import postgres_errors

_AMCHECK_TIMEOUT_S: Final = 3600.0
# What must stay free for others, and for the log that loading writes.
_RESERVE_BYTES: Final = 256 << 20
_LACKING_ROLE = re.compile(r'role "([^"]+)" does not exist')


@dataclass
class DatabaseDrilling:
    """Restores and compares one database after the other on the same scratch server.

    Args:
        holds_data: whether the databases lie on the file system of `scratch`, which then needs room
            for them.
    """

    objects: SetObjects
    clock: StepClock
    progress: ProgressCallback
    staging: Staging
    scratch: Path
    _: KW_ONLY
    holds_data: bool
    restored_bytes: int = 0

    def run(self, database: DatabaseObjects, name: str) -> Sequence[Finding]:
        """Drill one database under this name."""
        needed = (database.facts.size_bytes if self.holds_data else 0) + _RESERVE_BYTES
        shortage = needed - free_bytes(self.scratch)
        if shortage > 0:
            return [no_room(database.name, self.scratch.parent, shortage)]
        item = DrilledDatabase(
            self.objects, self.clock, self.progress, self.staging, database, name
        )
        try:
            return drilled(item)
        except (IntegrityError, NotFoundError) as error:
            return [damaged(database.name, error)]
        finally:
            self.restored_bytes += 0 if item.staged is None else database.dump.plain_bytes


class DrilledDatabase(StagedDatabase):
    """One whose pages are looked at too, and that may lack what scratch lacks."""

    def stage(self) -> None:
        if self.staged_name == loading.MAINTENANCE_DATABASE:
            # Every cluster has one; this is to be like the set's.
            drop(self.staging.target, self.staged_name)
        super().stage()

    def compared(self, staged: Staged) -> list[Finding]:
        item = self.database.name
        findings = [*super().compared(staged), *self._check_pages(item, staged.name)]
        findings += [
            not_brought(item, each, self.staging.place_of(each, staged.name))
            for each in staged.late
        ]
        reason = self._lacking(self.database, staged.complaints)
        return excused(findings, item, reason) if reason else findings

    def discard(self) -> None:
        super().discard()
        name, target = self.staged_name, self.staging.target
        if name == loading.MAINTENANCE_DATABASE:
            with target.connect(other_than(name)) as connection, postgres_errors(target, name):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _lacking(self, database: DatabaseObjects, complaints: tuple[str, ...]) -> str:
        """What the scratch server does not have and the database needs; empty if it has all."""
        wanted = frozenset(extension.name for extension in database.facts.extensions)
        extensions = wanted - loading.available_extensions(self.staging.target)
        if extensions:
            return f"the scratch PostgreSQL lacks {', '.join(sorted(extensions))}"
        if self.staging.with_roles:
            return ""
        roles = [found[1] for each in complaints if (found := _LACKING_ROLE.search(each))]
        return f"the server for drills lacks the role {roles[0]}" if roles else ""

    def _check_pages(self, item: str, name: str) -> list[Finding]:
        """pg_amcheck, where it is installed: every heap and index is consistent."""
        program = self.staging.binaries.path("pg_amcheck")
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
                environment=self.staging.target.environment(name, options=loading.FOR_WRITING),
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
