"""A database of a set under a name of its own on some server: made, compared, dropped. What drills
and real restores have in common, and what drills look at besides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import sql

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.processes import ProgramError, output_of
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.differences import MISSING, Aspect, database_findings
from onyx_pipelines.restore.postgres.late_extensions import not_brought
from onyx_pipelines.restore.postgres.loading import DatabaseObjects, open_dump
from onyx_pipelines.restore.postgres.marked_databases import beside, drop
from onyx_pipelines.restore.postgres.staging import Staged, Staging
from onyx_pipelines.restore.results import Finding, Step

_PG_RESTORE: Final = "pg_restore"
_AMCHECK_TIMEOUT_S: Final = 3600.0
_LACKING_ROLE: Final = re.compile(r'role "([^"]+)" does not exist')


@dataclass
class StagedDatabase:
    """`staged_name`: under which it is made, and compared."""

    work: Work
    staging: Staging
    database: DatabaseObjects
    staged_name: str
    staged: Staged | None = None

    @property
    def name(self) -> str:
        return self.database.name

    def stage(self) -> None:
        dump = self.database.dump
        with (
            self.work.clock.step(Step.RESTORE, self.database.name, plain_bytes=dump.plain_bytes),
            open_dump(self.work, dump) as archive,
        ):
            self.staged = self.staging.make(self.database, self.staged_name, archive)

    def compare(self) -> list[Finding]:
        with self.work.clock.step(Step.COMPARE, self.database.name):
            return self.compared(self.require_staged())

    def compared(self, staged: Staged) -> list[Finding]:
        """With what pg_restore complained about."""
        with_roles = self.staging.with_roles
        expected, found = self.staging.compared(self.database, staged)
        comparison = compare(expected, found, with_roles=with_roles)
        findings = database_findings(expected, comparison, staged.limits, with_roles=with_roles)
        if staged.complaints:
            said = "\n".join(staged.complaints)
            complaint = "pg_restore reported errors"
            findings.append(Finding.failed(self.database.name, _PG_RESTORE, complaint, found=said))
        return findings

    def require_staged(self) -> Staged:
        assert self.staged is not None, "not staged"  # noqa: S101  (the engine's order)
        return self.staged

    def discard(self) -> None:
        with self.work.clock.step(Step.CLEAN_UP, self.database.name):
            drop(self.staging.target, self.staged_name)


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
        return _waived(findings, item, reason) if reason else findings

    def discard(self) -> None:
        super().discard()
        name, target = self.staged_name, self.staging.target
        if name == loading.MAINTENANCE_DATABASE:
            with beside(target, name) as connection:
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
                environment=loading.looking_environment(
                    self.staging.target, name, self.database.facts
                ),
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
                said = "\n".join(filter(None, [*damage, error.stderr_tail]))[-500:]
                return [Finding.failed(item, "pages", "pg_amcheck found damage", found=said)]
        return [Finding.passed(item, "pages", "pg_amcheck found every heap and index consistent")]


def _waived(findings: Sequence[Finding], item: str, reason: str) -> list[Finding]:
    """What may be missing only because of scratch is not held against the backup; rows and content
    of what is there are."""
    waived = Finding.unverified(
        item, Aspect.EXTENSION.value, f"{reason}: what needs it could not be restored"
    )
    return [
        waived,
        *(
            finding.model_copy(update={"verdict": Verdict.COULD_NOT_VERIFY})
            if finding.verdict is Verdict.FAILED and _may_come_of_scratch(finding)
            else finding
            for finding in findings
        ),
    ]


def _may_come_of_scratch(finding: Finding) -> bool:
    schema = finding.aspect in {Aspect.SCHEMA, Aspect.EXTENSION, _PG_RESTORE}
    return schema or finding.found == MISSING


def reports_of_damage(said: str) -> list[str]:
    """Of what pg_amcheck printed. It computes an index's expression as its owner, who may no longer
    have the right: that is no damage."""
    reports: list[str] = []
    for line in said.split("\n"):
        if line.startswith((" ", "\t")) and reports:
            reports[-1] += f"\n{line}"
        elif line:
            reports.append(line)
    return [report for report in reports if "permission denied for function" not in report]
