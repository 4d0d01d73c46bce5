"""The drill of PostgreSQL: every database into a throw-away cluster, compared, thrown away."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from psycopg import sql

from onyx_pipelines.errors import IntegrityError, NotFoundError, RestoreError
from onyx_pipelines.processes import ProgramError, text_of
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.cluster import PROGRAMS, ScratchCluster, stop_abandoned
from onyx_pipelines.restore.postgres.comparison import database_findings, globals_findings
from onyx_pipelines.restore.postgres.differences import MISSING, Aspect, compare, compare_globals
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.restore.workdir import private_workdir, refuse_inside_volumes, sweep_workdirs
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.postgres.binaries import Binaries, find_binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors
from onyx_pipelines.sources.source import Component

PG_RESTORE = "pg_restore"
_PREFIX: Final = "onyx-scratch-postgresql-"
_AMCHECK_TIMEOUT_S = 3600.0


def drill(
    objects: SetObjects,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Restore every database of the set into scratch below `workdir`, and compare it.

    Raises:
        SettingsError: `workdir` lies in a configured volume; nothing was touched.
        RestoreError, SourceError: there is no scratch cluster to restore into.
        StoreError, KeyFileError: the set cannot be read.
    """
    refuse_inside_volumes(workdir, settings.volumes)
    begun = len(clock.timings())
    databases = loading.databases_of(objects)
    record = objects.manifest.component(Component.POSTGRESQL)
    source_versions = record.versions if record else {}
    # Also with no database, since roles are restored and compared.
    major = max((each.facts.server_major for each in databases), default=0)
    binaries = find_binaries(major, bindir=settings.pg_bindir, programs=PROGRAMS)
    findings: list[Finding] = []
    with clock.step(Step.PREPARE, "scratch cluster"):
        sweep_workdirs(workdir, prefix=_PREFIX, before_removal=stop_abandoned)
    with private_workdir(workdir, prefix=_PREFIX) as scratch:
        cluster = ScratchCluster(scratch, binaries)
        try:
            with clock.step(Step.PREPARE, "scratch cluster"):
                cluster.start()
            _refuse_production(cluster.target, databases)
            drilling = _Drilling(objects, clock, progress, cluster.target, binaries, scratch)
            findings += drilling.roles()
            for database in databases:
                findings += drilling.database(database)
        finally:
            with clock.step(Step.CLEAN_UP, "scratch cluster"):
                cluster.remove()
    return ComponentDrill(
        component=Component.POSTGRESQL,
        findings=tuple(findings) or (_nothing_to_restore(),),
        steps=clock.timings()[begun:],
        plain_bytes=sum(each.dump.plain_bytes for each in databases),
        versions={**source_versions, "restore_postgresql": str(binaries.version)},
    )


class _Drilling:
    """Restores and compares one thing after the other into the same scratch cluster."""

    def __init__(
        self,
        objects: SetObjects,
        clock: StepClock,
        progress: ProgressCallback,
        target: PostgresTarget,
        binaries: Binaries,
        scratch: Path,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._progress = progress
        self._target = target
        self._binaries = binaries
        self._scratch = scratch

    def roles(self) -> list[Finding]:
        try:
            found = loading.globals_of(self._objects)
            if found is None:
                return []
            record, facts = found
            script = self._scratch / "globals.sql"
            with self._clock.step(Step.FETCH, "globals", plain_bytes=record.plain_bytes):
                loading.fetch(self._objects, record, script, self._progress)
        except (IntegrityError, NotFoundError) as error:
            return [_damaged("globals", error)]
        with self._clock.step(Step.RESTORE, "globals", plain_bytes=record.plain_bytes):
            loading.apply_globals(self._target, self._binaries, script)
        script.unlink()
        with self._clock.step(Step.COMPARE, "globals"):
            restored = loading.read_restored_globals(self._target, facts)
            return globals_findings(facts, compare_globals(facts, restored))

    def database(self, database: DatabaseObjects) -> list[Finding]:
        name, size = database.name, database.dump.plain_bytes
        dump = self._scratch / "dump"
        try:
            with self._clock.step(Step.FETCH, name, plain_bytes=size):
                loading.fetch(self._objects, database.dump, dump, self._progress)
        except (IntegrityError, NotFoundError) as error:
            dump.unlink(missing_ok=True)
            return [_damaged(name, error)]
        lacking = self._lacking_extensions(database)
        with self._clock.step(Step.RESTORE, name, plain_bytes=size):
            # The server's own maintenance database exists in every cluster.
            if name != loading.MAINTENANCE_DATABASE:
                loading.create_database(self._target, name, database.facts)
            complaints = loading.load_dump(self._target, self._binaries, name, dump)
        dump.unlink()
        with self._clock.step(Step.COMPARE, name):
            findings = self._compare(database, complaints, lacking)
        with self._clock.step(Step.CLEAN_UP, name):
            self._drop(name)
        return findings

    def _compare(
        self, database: DatabaseObjects, complaints: tuple[str, ...], lacking: frozenset[str]
    ) -> list[Finding]:
        found = loading.read_restored(self._target, database.name, database.facts)
        findings = database_findings(database.facts, compare(database.facts, found))
        if complaints and not lacking:
            findings.append(_complained(database.name, complaints))
        findings += self._check_pages(database.name)
        return _excused(findings, database.name, lacking) if lacking else findings

    def _lacking_extensions(self, database: DatabaseObjects) -> frozenset[str]:
        """Those that the scratch installation does not have."""
        wanted = frozenset(extension.name for extension in database.facts.extensions)
        return wanted - loading.available_extensions(self._target)

    def _check_pages(self, database: str) -> list[Finding]:
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
        environment = self._target.environment(database)
        try:
            text_of(command, environment=environment, timeout_s=_AMCHECK_TIMEOUT_S)
        except ProgramError as error:
            if "amcheck" in error.stderr_tail and "not available" in error.stderr_tail:
                return []
            return [
                Finding(
                    verdict=Verdict.FAILED,
                    item=database,
                    aspect="pages",
                    message="pg_amcheck found damage",
                    found=error.stderr_tail[-500:],
                )
            ]
        return [
            Finding(
                verdict=Verdict.PASSED,
                item=database,
                aspect="pages",
                message="pg_amcheck found every heap and index consistent",
            )
        ]

    def _drop(self, name: str) -> None:
        if name == loading.MAINTENANCE_DATABASE:
            return
        with (
            self._target.connect(loading.MAINTENANCE_DATABASE) as connection,
            postgres_errors(self._target, name),
        ):
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _refuse_production(target: PostgresTarget, databases: list[DatabaseObjects]) -> None:
    """The scratch cluster must not be the one that the backup came from."""
    with (
        target.connect(loading.MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, loading.MAINTENANCE_DATABASE),
    ):
        row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    identifier = str(row[0]) if row else ""
    if any(each.facts.system_identifier == identifier for each in databases):
        raise RestoreError(
            "The scratch server is the one that was backed up.",
            remedy="Nothing was touched. Give the drill a scratch directory of its own.",
        )


def _excused(findings: list[Finding], item: str, lacking: frozenset[str]) -> list[Finding]:
    """What may be missing only because scratch lacks an extension is not held against the backup;
    rows and content of what is there are."""
    names = ", ".join(sorted(lacking))
    excuse = Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=item,
        aspect=Aspect.EXTENSION.value,
        message=f"the scratch PostgreSQL lacks {names}: what needs it could not be restored",
    )
    return [
        excuse,
        *(
            finding.model_copy(update={"verdict": Verdict.COULD_NOT_VERIFY})
            if finding.verdict is Verdict.FAILED and _may_need_an_extension(finding)
            else finding
            for finding in findings
        ),
    ]


def _may_need_an_extension(finding: Finding) -> bool:
    schema = finding.aspect in {Aspect.SCHEMA, Aspect.EXTENSION, PG_RESTORE}
    return schema or finding.found == MISSING


def _damaged(item: str, error: IntegrityError | NotFoundError) -> Finding:
    return Finding(verdict=Verdict.FAILED, item=item, aspect="archive", message=error.what)


def _complained(item: str, complaints: tuple[str, ...]) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=item,
        aspect=PG_RESTORE,
        message="pg_restore reported errors",
        found="\n".join(complaints),
    )


def _nothing_to_restore() -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=Component.POSTGRESQL,
        aspect="archive",
        message="The set has no databases.",
    )
