"""The real restore of PostgreSQL: databases made beside, compared, and renamed into place.

Database by database; one that fails its comparison leaves what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from onyx_pipelines.errors import RestoreError
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.journal import (
    Finished,
    RestoreJournal,
    despite_differences,
    has_failed,
    still_the_same,
)
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.archive_listing import renamed
from onyx_pipelines.restore.postgres.beside import BESIDE_PREFIX, drop, new_name, oid_of, sweep
from onyx_pipelines.restore.postgres.bound_extensions import BoundExtension, bound_extensions
from onyx_pipelines.restore.postgres.comparison import database_findings
from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.drill_findings import complained
from onyx_pipelines.restore.postgres.dump_archive import open_dump
from onyx_pipelines.restore.postgres.global_restoring import restore_globals
from onyx_pipelines.restore.postgres.host_limits import HostLimits
from onyx_pipelines.restore.postgres.late_extensions import LateExtensions
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.production_guard import identifier_of
from onyx_pipelines.restore.postgres.requests import (
    Placement,
    PostgresRestoreRequest,
    placements_of,
    target_of,
)
from onyx_pipelines.restore.postgres.server import TargetServer, letting_create, look_at
from onyx_pipelines.restore.postgres.staging import Staged, Staging
from onyx_pipelines.restore.postgres.swapping import put_in_place
from onyx_pipelines.restore.postgres.table_restoring import TableRestore, tables_of
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.restore.workdir import private_workdir, sweep_workdirs
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.source import Component
from onyx_pipelines.telemetry import logger

PROGRAMS: Final = ("pg_restore", "pg_dump", "psql")
_PREFIX: Final = "onyx-restore-postgresql-"
_LIMITS: Final = TypeAdapter(HostLimits)
_log = logger("restore")


def target_identity(request: PostgresRestoreRequest, settings: Settings) -> str:
    """What tells the server that is restored into from every other. Raises as `plan`."""
    target = target_of(request, settings)
    return f"{target.address} {identifier_of(target)}"


def restore(
    objects: SetObjects,
    request: PostgresRestoreRequest,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
    journal: RestoreJournal,
) -> ComponentDrill:
    """Restore the chosen databases, or tables of one. What the journal has is compared again.

    A database is made under another name, compared, and renamed into place; sessions of the one
    that it replaces are ended. Tables are restored into such a database too, and then copied in one
    transaction (see `table_restoring`).

    Raises:
        SettingsError: the request fits neither the set nor this host.
        RestoreError: something is in the way; what was there is there.
        SourceError: the server does not answer, or is not one that can take it.
        StoreError, KeyFileError: the set cannot be read.
    """
    begun = len(clock.timings())
    databases = loading.databases_of(objects, request.databases)
    placements = placements_of(request, databases)
    tables = tables_of(request, placements)
    target = target_of(request, settings)
    with clock.step(Step.PREPARE, "server"):
        server = look_at(target)
        _refuse(request, placements, server)
        binaries = find_binaries(
            max((server.major, *(each.facts.server_major for each in databases))),
            bindir=settings.pg_bindir,
            programs=PROGRAMS,
        )
        gone, kept = sweep(target)
        for name in gone:
            _log.warning("left by an interrupted restore, dropped: database %s", name)
        for reason in kept:
            _log.warning("left by an interrupted restore, not dropped: %s", reason)
        sweep_workdirs(workdir, prefix=_PREFIX)
    findings: list[Finding] = []
    unfinished: list[str] = []
    with private_workdir(workdir, prefix=_PREFIX) as scratch:
        if request.with_globals and not request.tables:
            # What a second run finds there already it leaves alone, so it needs no journal.
            findings += restore_globals(objects, target, binaries, scratch, clock, progress)
            if has_failed(findings):
                unfinished.append("globals")
        staging = Staging(target, binaries)
        restoring = _Restoring(objects, request, clock, progress, staging, scratch, journal)
        for placement in placements:
            name = placement.final_name
            earlier = journal.finished(Component.POSTGRESQL, name)
            there = server.databases.get(name)
            if earlier is not None and there is not None and earlier.placed["oid"] == there.oid:
                findings += restoring.compare_again(placement, earlier)
                continue
            found, is_placed = restoring.place(placement, tables)
            findings += found
            if not is_placed:
                unfinished.append(name)
    record = objects.manifest.component(Component.POSTGRESQL)
    return ComponentDrill(
        component=Component.POSTGRESQL,
        findings=tuple(findings),
        steps=clock.timings()[begun:],
        plain_bytes=sum(each.dump.plain_bytes for each in databases),
        versions={**(record.versions if record else {}), "restore_postgresql": server.version},
        unfinished=tuple(unfinished),
    )


class _Restoring:
    """Restores one database after the other into the same server."""

    def __init__(
        self,
        objects: SetObjects,
        request: PostgresRestoreRequest,
        clock: StepClock,
        progress: ProgressCallback,
        staging: Staging,
        scratch: Path,
        journal: RestoreJournal,
    ) -> None:
        self._objects = objects
        self._request = request
        self._clock = clock
        self._progress = progress
        self._staging = staging
        self._scratch = scratch
        self._journal = journal

    def compare_again(self, placement: Placement, earlier: Finished) -> tuple[Finding, ...]:
        """One that an earlier call put in place."""
        database = placement.database
        limits = _LIMITS.validate_python(earlier.placed["limits"])
        # They may have been at work since, or are still to come.
        late = bound_extensions(database.facts)
        with self._clock.step(Step.COMPARE, database.name):
            expected, found = self._staging.compared_in_place(database, placement.final_name, late)
            findings = database_findings(expected, compare(expected, found), limits)
        brought = self._bring(database, placement.final_name, late)
        return (*still_the_same(earlier, findings), *brought)

    def _bring(
        self, database: DatabaseObjects, name: str, late: Sequence[BoundExtension]
    ) -> list[Finding]:
        if not late:
            return []
        extensions = LateExtensions(self._objects, self._staging, self._progress)
        with self._clock.step(Step.RESTORE, f"{database.name} (extensions)"):
            return extensions.bring(database, name, late)

    def place(
        self, placement: Placement, tables: Sequence[str]
    ) -> tuple[tuple[Finding, ...], bool]:
        """Beside, compared, and into place. What fails leaves the server as it was: False."""
        database, final_name = placement.database, placement.final_name
        size = database.dump.plain_bytes
        beside = new_name(BESIDE_PREFIX)
        try:
            with (
                self._clock.step(Step.RESTORE, database.name, plain_bytes=size),
                open_dump(self._objects, database.dump, self._progress) as archive,
            ):
                staged = self._staging.make(database, beside, archive)
            with self._clock.step(Step.COMPARE, database.name):
                expected, found = self._staging.compared(database, staged)
                findings = database_findings(expected, compare(expected, found), staged.limits)
                if staged.complaints:
                    findings.append(complained(database.name, staged.complaints))
            if not self._journal.lets_pass(findings):
                return (*findings, _not_in_place(final_name)), False
            if tables:
                table_restore = TableRestore(
                    self._staging.target, self._staging.binaries, self._clock, self._scratch
                )
                copied = table_restore.copy(database, beside, final_name, tables)
                return (*findings, *copied), True
            findings += despite_differences(final_name, findings)
            with self._clock.step(Step.RESTORE, f"{database.name} (put in place)"):
                # Renamed, it stays the same one: so the journal is true from that instant.
                self._note(placement, staged, (*findings, _in_place(final_name, None)))
                comment = staged.comment and renamed(staged.comment, beside, final_name)
                kept, slots = put_in_place(
                    self._staging.target,
                    beside,
                    final_name,
                    comment=comment,
                    encoding=database.facts.encoding,
                    keep_old=self._request.keep_old,
                )
            findings += [_in_place(final_name, kept), *_slots_left(final_name, slots)]
            findings += self._bring(database, final_name, staged.late)
            return tuple(findings), True
        finally:
            with self._clock.step(Step.CLEAN_UP, database.name):
                drop(self._staging.target, beside)

    def _note(self, placement: Placement, staged: Staged, findings: Sequence[Finding]) -> None:
        self._journal.add(
            Component.POSTGRESQL,
            placement.final_name,
            findings,
            placed={
                "oid": oid_of(self._staging.target, staged.name),
                "limits": _LIMITS.dump_python(staged.limits, mode="json"),
            },
        )


def _refuse(
    request: PostgresRestoreRequest, placements: Sequence[Placement], server: TargetServer
) -> None:
    """Everything that can be known before anything is touched."""
    if not server.may_create:
        raise RestoreError(
            f"The role {server.user} may not create databases.",
            remedy=f"As a superuser: {letting_create(server.user)}. Or restore as a superuser.",
        )
    for placement in placements:
        facts = placement.database.facts
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
        if there is not None and not request.replace:
            raise RestoreError(
                f"There is a database {placement.final_name} already.",
                remedy="Ask for it to be replaced, or give the restored one another name.",
            )
        if there is not None and not there.is_ours:
            raise RestoreError(
                f"The role {server.user} does not own the database {placement.final_name}, so it"
                " cannot replace it.",
                remedy="Restore as its owner or as a superuser.",
            )
        if request.tables and there is None:
            raise RestoreError(
                f"There is no database {placement.final_name} to restore tables into.",
                remedy="Restore the whole database, or name another one.",
            )


def _in_place(name: str, kept: str | None) -> Finding:
    rest = f" What was there is kept as {kept}." if kept else ""
    return Finding(
        verdict=Verdict.PASSED,
        item=name,
        aspect="in place",
        message=f"Put in place: database {name}.{rest}",
    )


def _slots_left(name: str, slots: Sequence[str]) -> list[Finding]:
    if not slots:
        return []
    return [
        Finding(
            verdict=Verdict.PASSED,
            item=name,
            aspect="note",
            message="What was there was subscribed. On the server that it subscribed to stays the"
            f" replication slot {', '.join(slots)}, which keeps its log from being deleted: give it"
            " to the restored subscription or drop it there.",
        )
    ]


def _not_in_place(name: str) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=name,
        aspect="in place",
        message=f"Not put in place: database {name}; what was there is as it was.",
    )
