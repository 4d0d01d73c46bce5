"""A database of a set under a name of its own on some server: made, compared, dropped. What drills
and real restores have in common."""

from __future__ import annotations

from dataclasses import dataclass

from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres.beside import drop
from onyx_pipelines.restore.postgres.comparison import database_findings
from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.drill_findings import complained
from onyx_pipelines.restore.postgres.dump_archive import open_dump
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.staging import Staged, Staging
from onyx_pipelines.restore.results import Finding, Step


@dataclass
class StagedDatabase:
    """`staged_name`: under which it is made, and compared."""

    objects: SetObjects
    clock: StepClock
    progress: ProgressCallback
    staging: Staging
    database: DatabaseObjects
    staged_name: str
    staged: Staged | None = None

    def stage(self) -> None:
        database = self.database
        with (
            self.clock.step(Step.RESTORE, database.name, plain_bytes=database.dump.plain_bytes),
            open_dump(self.objects, database.dump, self.progress) as archive,
        ):
            self.staged = self.staging.make(database, self.staged_name, archive)

    def compare(self) -> list[Finding]:
        with self.clock.step(Step.COMPARE, self.database.name):
            return self.compared(self.require_staged())

    def compared(self, staged: Staged) -> list[Finding]:
        """With what pg_restore complained about."""
        with_roles = self.staging.with_roles
        expected, found = self.staging.compared(self.database, staged)
        comparison = compare(expected, found, with_roles=with_roles)
        findings = database_findings(expected, comparison, staged.limits, with_roles=with_roles)
        if staged.complaints:
            findings.append(complained(self.database.name, staged.complaints))
        return findings

    def require_staged(self) -> Staged:
        assert self.staged is not None, "not staged"  # noqa: S101  (the engine's order)
        return self.staged

    def discard(self) -> None:
        with self.clock.step(Step.CLEAN_UP, self.database.name):
            drop(self.staging.target, self.staged_name)
