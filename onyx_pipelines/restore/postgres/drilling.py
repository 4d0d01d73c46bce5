"""The drill of PostgreSQL: every database into a throw-away cluster, compared, thrown away."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.host.scratch import private_workdir, refuse_inside_volumes, sweep_workdirs
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.findings import damaged, nothing_to_drill
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.bound_extensions import PRELOADED, bound_extensions
from onyx_pipelines.restore.postgres.cluster import (
    PROGRAMS,
    SUPERUSER,
    ClusterNeeds,
    ScratchCluster,
    stop_abandoned,
)
from onyx_pipelines.restore.postgres.comparison import globals_findings
from onyx_pipelines.restore.postgres.database_drilling import DatabaseDrilling
from onyx_pipelines.restore.postgres.globals_differences import compare_globals
from onyx_pipelines.restore.postgres.globals_script import with_tablespaces_in
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.production_guard import refuse_production
from onyx_pipelines.restore.postgres.server_drilling import drill_on_server
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step, share_of
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.postgres.binaries import Binaries, find_binaries
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.source import Component

_PREFIX: Final = "onyx-scratch-postgresql-"


def drill(
    objects: SetObjects,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Restore every database of the set into scratch below `workdir`, and compare it.

    A database that scratch has no room for is left out as could-not-verify, and `share` says so.
    Where the settings name a server for drills, that one holds the databases.

    Raises:
        SettingsError: `workdir` lies in a configured volume; nothing was touched.
        RestoreError, SourceError: there is no scratch cluster to restore into.
        StoreError, KeyFileError: the set cannot be read.
    """
    refuse_inside_volumes(workdir, settings.volumes)
    if settings.drill_pg_host:
        return drill_on_server(objects, clock, workdir, settings, progress)
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
        cluster = ScratchCluster(scratch, binaries, _needs(objects, databases))
        try:
            with clock.step(Step.PREPARE, "scratch cluster"):
                cluster.start()
            refuse_production(cluster.target, [each.facts for each in databases], settings)
            findings += _roles(objects, clock, progress, cluster, binaries, scratch)
            drilling = DatabaseDrilling(
                objects,
                clock,
                progress,
                Staging(
                    cluster.target,
                    binaries,
                    with_roles=_has_roles(objects),
                    may_lack_locale=True,
                ),
                scratch,
                holds_data=True,
            )
            for database in databases:
                findings += drilling.run(database, database.name)
        finally:
            with clock.step(Step.CLEAN_UP, "scratch cluster"):
                cluster.remove()
    total_bytes = sum(each.dump.plain_bytes for each in databases)
    restored_bytes = drilling.restored_bytes
    return ComponentDrill(
        component=Component.POSTGRESQL,
        findings=tuple(findings) or (nothing_to_drill(Component.POSTGRESQL),),
        steps=clock.timings()[begun:],
        plain_bytes=restored_bytes,
        share=share_of(restored_bytes, total_bytes),
        versions={**source_versions, "restore_postgresql": str(binaries.version)},
    )


def _needs(objects: SetObjects, databases: Sequence[DatabaseObjects]) -> ClusterNeeds:
    facts = [each.facts for each in databases]
    first_superuser = None
    try:
        found = loading.globals_of(objects)
        if found is not None:
            first_superuser = found[1].first_superuser
    except (IntegrityError, NotFoundError):
        pass  # said when they are restored
    wanted = {extension.name for each in facts for extension in each.extensions}
    # Not everybody may see which ones a server loads.
    libraries = [
        name
        for each in facts
        for name in (*each.preloaded_libraries, *sorted(PRELOADED))
        if name in wanted
    ]
    settings = {k: v for each in facts for k, v in each.preloaded_settings.items()}
    for each in facts:
        settings |= {bound.parameter: each.database for bound in bound_extensions(each)}
    return ClusterNeeds(
        first_superuser=first_superuser or SUPERUSER,
        relations=max((_relations(each) for each in facts), default=0),
        libraries=tuple(dict.fromkeys(libraries)),
        settings=settings,
    )


def _has_roles(objects: SetObjects) -> bool:
    """Settings may leave them out of a set."""
    try:
        return loading.globals_of(objects) is not None
    except (IntegrityError, NotFoundError):
        return True


def _relations(facts: DatabaseFacts) -> int:
    return sum(item.kind in {"table", "index"} for item in facts.schema_items)


def _roles(
    objects: SetObjects,
    clock: StepClock,
    progress: ProgressCallback,
    cluster: ScratchCluster,
    binaries: Binaries,
    scratch: Path,
) -> list[Finding]:
    """Roles and grants go in first: databases belong to them."""
    try:
        found = loading.globals_of(objects)
        if found is None:
            return []
        record, facts = found
        script = scratch / "globals.sql"
        with clock.step(Step.FETCH, "globals", plain_bytes=record.plain_bytes):
            loading.fetch(objects, record, script, progress)
    except (IntegrityError, NotFoundError) as error:
        return [damaged("globals", error)]
    with clock.step(Step.RESTORE, "globals", plain_bytes=record.plain_bytes):
        numbers = itertools.count()
        loading.change(
            script,
            lambda text: with_tablespaces_in(
                text, lambda _: cluster.directory_of_tablespace(next(numbers))
            ),
        )
        loading.apply_globals(cluster.target, binaries, script)
    script.unlink()
    with clock.step(Step.COMPARE, "globals"):
        restored = loading.read_restored_globals(cluster.target, facts)
        return globals_findings(facts, compare_globals(facts, restored))
