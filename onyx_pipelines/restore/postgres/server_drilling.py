"""The drill of PostgreSQL on a server named for it: under names that are dropped at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError, RestoreError
from onyx_pipelines.host.scratch import private_workdir, sweep_workdirs
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.findings import damaged, nothing_to_drill
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.beside import BESIDE_PREFIX, new_name, sweep
from onyx_pipelines.restore.postgres.database_drilling import DatabaseDrilling
from onyx_pipelines.restore.postgres.globals_script import roles_in
from onyx_pipelines.restore.postgres.production_guard import refuse_production
from onyx_pipelines.restore.postgres.server import TargetServer, letting_create, look_at
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step, share_of
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import Component

_PREFIX: Final = "onyx-scratch-pg-server-"
_PROGRAMS: Final = ("pg_restore", "psql")


def drill_on_server(
    objects: SetObjects,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Restore every database of the set there under another name, compare it, drop it.

    Roles belong to the whole server, which others may use: they are looked for in the script and
    not created, and owners and grants are not restored.

    Raises:
        RestoreError: it is the server that is backed up, or it cannot hold the set; nothing was
            touched.
        SourceError: it does not answer.
        StoreError, KeyFileError: the set cannot be read.
    """
    begun = len(clock.timings())
    target = PostgresTarget(
        settings.drill_pg_host,
        settings.drill_pg_port,
        settings.drill_pg_user,
        settings.drill_pg_password,
        settings.drill_pg_sslmode,
    )
    databases = loading.databases_of(objects)
    findings: list[Finding] = []
    with clock.step(Step.PREPARE, "server for drills"):
        refuse_production(target, [each.facts for each in databases], settings)
        server = look_at(target)
        major = max((each.facts.server_major for each in databases), default=0)
        _require(server, major)
        binaries = find_binaries(
            max(server.major, major), bindir=settings.pg_bindir, programs=_PROGRAMS
        )
        sweep(target)
        sweep_workdirs(workdir, prefix=_PREFIX)
    with private_workdir(workdir, prefix=_PREFIX) as scratch:
        drilling = DatabaseDrilling(
            objects,
            clock,
            progress,
            Staging(target, binaries, with_roles=False, may_lack_locale=True),
            scratch,
            holds_data=False,
        )
        findings += _roles(objects, clock)
        for database in databases:
            findings += drilling.run(database, new_name(BESIDE_PREFIX))
    total_bytes = sum(each.dump.plain_bytes for each in databases)
    restored_bytes = drilling.restored_bytes
    record = objects.manifest.component(Component.POSTGRESQL)
    return ComponentDrill(
        component=Component.POSTGRESQL,
        findings=tuple(findings) or (nothing_to_drill(Component.POSTGRESQL),),
        steps=clock.timings()[begun:],
        plain_bytes=restored_bytes,
        share=share_of(restored_bytes, total_bytes),
        versions={**(record.versions if record else {}), "restore_postgresql": server.version},
    )


def _require(server: TargetServer, major: int) -> None:
    if server.major < major:
        raise RestoreError(
            f"The server for drills is PostgreSQL {server.version}, which cannot hold a database"
            f" of version {major}.",
            remedy=f"Name one of version {major} or newer in ONYX_DRILL_PG_HOST.",
        )
    if not server.may_create:
        raise RestoreError(
            f"The role {server.user} may not create databases on the server for drills.",
            remedy=f"As a superuser there: {letting_create(server.user)}.",
        )


def _roles(objects: SetObjects, clock: StepClock) -> list[Finding]:
    try:
        found = loading.globals_of(objects)
        if found is None:
            return []
        record, facts = found
        with clock.step(Step.FETCH, "globals", plain_bytes=record.plain_bytes):
            script = objects.read(record).decode()
    except (IntegrityError, NotFoundError) as error:
        return [damaged("globals", error)]
    created = roles_in(script)
    missing = [role.name for role in facts.roles if role.name not in created]
    if missing:
        return [
            Finding(
                verdict=Verdict.FAILED,
                item="globals",
                aspect="role",
                message=f"role {name}",
                expected="in the script of roles",
                found="missing",
            )
            for name in missing
        ]
    return [
        Finding(
            verdict=Verdict.PASSED,
            item="globals",
            aspect="role",
            message=f"{len(facts.roles)} roles are in their script, which was not run: the server"
            " for drills has its own",
        )
    ]
