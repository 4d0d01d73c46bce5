"""The real restore of PostgreSQL: databases made beside, compared, and renamed into place.

Database by database; one that fails its comparison leaves what was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import TypeAdapter

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import (
    Note,
    Placed,
    Placement,
    PlannedChange,
    Restoring,
    Work,
    sweep,
)
from onyx_pipelines.restore.findings import outcome
from onyx_pipelines.restore.journal import RestoreJournal, has_failed
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.archive_listing import renamed
from onyx_pipelines.restore.postgres.bound_extensions import bound_extensions
from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.differences import HostLimits, database_findings
from onyx_pipelines.restore.postgres.global_restoring import GLOBALS, restore_globals
from onyx_pipelines.restore.postgres.late_extensions import LateExtensions
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.marked_databases import (
    STAGED_PREFIX,
    leftovers_on,
    new_name,
    oid_of,
)
from onyx_pipelines.restore.postgres.server import (
    DatabaseThere,
    TargetServer,
    identifier_of,
    letting_create,
    look_at,
    placed,
    target_of,
)
from onyx_pipelines.restore.postgres.staged_database import StagedDatabase
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.postgres.swapping import put_in_place
from onyx_pipelines.restore.postgres.table_restoring import TableRestore, tables_of
from onyx_pipelines.restore.results import ComponentResult, Finding, Step
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects

_NAMED_ROLES: Final = 5
PROGRAMS: Final = ("pg_restore", "pg_dump", "psql")
_LIMITS: Final = TypeAdapter(HostLimits)


@dataclass(frozen=True)
class DatabasesRestoration:
    """The chosen databases, or tables of one, and the server that they go to.

    A database is made under another name, compared, and renamed into place; sessions of the one
    that it replaces are ended. Tables are restored into such a database too, and then copied in one
    transaction (see `table_restoring`).
    """

    objects: SetObjects
    choice: RestoreChoice
    placements: Sequence[Placement[DatabaseObjects]]
    tables: Sequence[str]
    target: PostgresTarget

    @classmethod
    def of(cls, objects: SetObjects, choice: RestoreChoice, settings: Settings) -> Self:
        placements = placed(choice, loading.databases_of(objects, choice.databases))
        tables = tables_of(choice.tables, placements)
        return cls(objects, choice, placements, tables, target_of(choice, settings))

    @property
    def identity(self) -> str:
        return f"{self.target.address} {identifier_of(self.target)}"

    def plan(self) -> list[PlannedChange]:
        """One change for the roles, and one for each database or table."""
        server = look_at(self.target)
        if self.tables:
            return [self._table_change(name) for name in self.tables]
        changes = list(self._roles(server)) if self.choice.with_globals else []
        return [*changes, *(self._change(each, server) for each in self.placements)]

    def restore(self, work: Work, journal: RestoreJournal) -> ComponentResult:
        databases = [each.of_set for each in self.placements]
        with work.clock.step(Step.PREPARE, "server"):
            server = look_at(self.target)
            _refuse(self.placements, server, with_tables=bool(self.tables))
            binaries = find_binaries(
                max((server.major, *(each.facts.server_major for each in databases))),
                bindir=work.settings.pg_bindir,
                programs=PROGRAMS,
            )
            sweep(leftovers_on(self.target))
        restoring, staging = Restoring(journal), Staging(self.target, binaries)
        with work.scratch("onyx-restore-postgresql-") as scratch:
            if self.choice.with_globals and not self.tables:
                # What a second run finds there already it leaves alone, so it needs no journal.
                restoring.findings += restore_globals(work, staging)
                if has_failed(restoring.findings):
                    restoring.leave(GLOBALS)
            for placement in self.placements:
                item = RestoredDatabase(
                    work,
                    staging,
                    placement.of_set,
                    new_name(STAGED_PREFIX),
                    final_name=placement.final_name,
                    there=server.databases.get(placement.final_name),
                    keep_old=self.choice.keep_old,
                    tables=self.tables,
                    scratch=scratch,
                )
                restoring.run(item)
        return restoring.result(
            work,
            plain_bytes=sum(each.dump.plain_bytes for each in databases),
            versions={"restore_postgresql": server.version},
        )

    def _change(self, placement: Placement[DatabaseObjects], server: TargetServer) -> PlannedChange:
        database, name = placement.of_set, placement.final_name
        there = server.databases.get(name)
        sentences = [
            f"{count_text(len(database.facts.tables), 'table')},"
            f" {count_text(database.facts.rows, 'row')},"
            f" {count_text(database.facts.size_bytes, 'byte')} when it was backed up."
        ]
        if there is not None:
            kept = "kept under another name" if self.choice.keep_old else "dropped afterwards"
            sentences.append(
                f"The one that is there has {count_text(there.size_bytes, 'byte')}. It is {kept}."
            )
            if there.sessions:
                sentences.append(f"Its {there.sessions} sessions are ended.")
        return PlannedChange(
            what=f"database {database.name}",
            target=f"{name} at {self.target.address}",
            overwrites=there is not None,
            detail=" ".join(sentences),
        )

    def _table_change(self, table: str) -> PlannedChange:
        (placement,) = self.placements
        (facts,) = (each for each in placement.of_set.facts.tables if each.name == table)
        return PlannedChange(
            what=f"table {table} of database {placement.of_set.name}",
            target=f"{placement.final_name} at {self.target.address}",
            overwrites=True,
            detail=f"{count_text(facts.rows, 'row')} take the place of those that are there, in one"
            " transaction; a table that is not there is created.",
        )

    def _roles(self, server: TargetServer) -> Iterator[PlannedChange]:
        found = loading.globals_of(self.objects)
        if found is None:
            return
        new = sorted({role.name for role in found[1].roles} - server.roles)
        more = f" and {len(new) - _NAMED_ROLES} more" if len(new) > _NAMED_ROLES else ""
        yield PlannedChange(
            what="roles and grants",
            target=self.target.address,
            overwrites=False,
            detail=f"Created: {', '.join(new[:_NAMED_ROLES]) or 'none'}{more}. Roles that are"
            " there stay as they are, with their passwords.",
        )


restoration = DatabasesRestoration.of


@dataclass
class RestoredDatabase(StagedDatabase):
    """One that is renamed into its place, or some of whose tables are copied there.

    Args:
        there: what has its name now.
    """

    component = Component.POSTGRESQL
    _: KW_ONLY
    final_name: str
    there: DatabaseThere | None
    keep_old: bool
    tables: Sequence[str]
    scratch: Path

    @property
    def name(self) -> str:
        return self.final_name

    @property
    def place(self) -> str:
        return f"database {self.name}"

    def is_there(self, placed: Placed) -> bool:
        """Tables are copied once more: the database around them is in use."""
        return self.there is not None and self.there.oid == placed.get("oid")

    def compare_in_place(self, placed: Placed) -> list[Finding]:
        limits = _LIMITS.validate_python(placed["limits"])
        with self.work.clock.step(Step.COMPARE, self.database.name):
            # They may have been at work since, or are still to come.
            late = bound_extensions(self.database.facts)
            expected, found = self.staging.compared_in_place(self.database, self.name, late)
            return database_findings(expected, compare(expected, found), limits)

    def swap(self, note: Note) -> list[Finding]:
        target, staged = self.staging.target, self.require_staged()
        if self.tables:
            copying = TableRestore(target, self.staging.binaries, self.work.clock, self.scratch)
            return copying.copy(self.database, staged.name, self.name, self.tables)
        with self.work.clock.step(Step.RESTORE, f"{self.database.name} (put in place)"):
            # Renamed, it stays the same one.
            limits = _LIMITS.dump_python(staged.limits, mode="json")
            note({"oid": oid_of(target, staged.name), "limits": limits})
            comment = staged.comment and renamed(staged.comment, staged.name, self.name)
            kept, slots = put_in_place(
                target,
                staged.name,
                self.name,
                comment=comment,
                encoding=self.database.facts.encoding,
                keep_old=self.keep_old,
            )
        rest = f" What was there is kept as {kept}." if kept else ""
        said = outcome(Verdict.PASSED, self.name, f"Put in place: {self.place}.{rest}")
        return [said, *_slots_left(self.name, slots)]

    def complete(self) -> list[Finding]:
        """Extensions that the server lets one database have only, which has its name now."""
        facts = self.database.facts
        late = bound_extensions(facts) if self.staged is None else self.staged.late
        if not late or self.tables:
            return []
        extensions = LateExtensions(self.work, self.staging)
        with self.work.clock.step(Step.RESTORE, f"{self.database.name} (extensions)"):
            return extensions.bring(self.database, self.name, late)


def _refuse(
    placements: Sequence[Placement[DatabaseObjects]], server: TargetServer, *, with_tables: bool
) -> None:
    """Everything that can be known before anything is touched."""
    if not server.may_create:
        raise RestoreError(
            f"The role {server.user} may not create databases.",
            remedy=f"As a superuser: {letting_create(server.user)}. Or restore as a superuser.",
        )
    for placement in placements:
        facts = placement.of_set.facts
        if facts.server_major > server.major:
            raise RestoreError(
                f"The server is PostgreSQL {server.version}; the database {facts.database} is of"
                f" version {facts.server_major}, which it cannot hold.",
                remedy=f"Restore into PostgreSQL {facts.server_major} or newer.",
            )
        lacking = sorted({each.name for each in facts.extensions} - server.extensions)
        if lacking:
            raise RestoreError(
                f"The server lacks {', '.join(lacking)}, which database {facts.database} needs.",
                remedy="Install these extensions' packages on the server.",
            )
        there = server.databases.get(placement.final_name)
        if there is not None and not there.is_ours:
            raise RestoreError(
                f"The role {server.user} does not own the database {placement.final_name}, so it"
                " cannot replace it.",
                remedy="Restore as its owner or as a superuser.",
            )
        if with_tables and there is None:
            raise RestoreError(
                f"There is no database {placement.final_name} to restore tables into.",
                remedy="Restore the whole database, or name another one.",
            )


def _slots_left(name: str, slots: Sequence[str]) -> list[Finding]:
    if not slots:
        return []
    return [
        Finding.passed(
            name,
            "note",
            "What was there was subscribed. On the server that it subscribed to stays the"
            f" replication slot {', '.join(slots)}, which keeps its log from being deleted: give it"
            " to the restored subscription or drop it there.",
        )
    ]
