"""The drill of PostgreSQL: every database into a throw-away cluster, or under another name on a
server that is named for drills, compared, thrown away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, RestoreError
from onyx_pipelines.host.scratch import shortage_bytes
from onyx_pipelines.restore.engine import Drilling, Work, sweep
from onyx_pipelines.restore.findings import damaged
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.bound_extensions import PRELOADED, bound_extensions
from onyx_pipelines.restore.postgres.cluster import (
    PROGRAMS,
    SUPERUSER,
    ClusterNeeds,
    ScratchCluster,
    stop_abandoned,
)
from onyx_pipelines.restore.postgres.differences import HostLimits, globals_findings
from onyx_pipelines.restore.postgres.global_restoring import GLOBALS, bring_globals
from onyx_pipelines.restore.postgres.globals_differences import compare_globals
from onyx_pipelines.restore.postgres.globals_script import roles_in, with_tablespaces_in
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.marked_databases import (
    STAGED_PREFIX,
    leftovers_on,
    new_name,
)
from onyx_pipelines.restore.postgres.server import (
    TargetServer,
    letting_create,
    look_at,
    refuse_production,
)
from onyx_pipelines.restore.postgres.staged_database import DrilledDatabase
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.results import ComponentResult, Finding, Step
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.target import PostgresTarget

# What must stay free for others, and for the log that loading writes.
_RESERVE_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class _Place:
    """A server that holds databases for as long as they are compared.

    Args:
        scratch: a private directory; where the server is a throw-away one, its data lies there too.
        version: of the server, or of the programs that it is made of.
        roles: what is found of the set's roles.
    """

    staging: Staging
    scratch: Path
    version: str
    roles: Sequence[Finding]


def drill(work: Work) -> ComponentResult:
    """Restore every database of the set into a cluster or a server for drills, and compare it."""
    work.refuse_inside_volumes()
    databases = loading.databases_of(work.objects)
    is_named = bool(work.settings.drill_pg_host)
    place_for = _server_for_drills if is_named else _scratch_cluster
    drilling = Drilling()
    with place_for(work, databases) as place:
        drilling.findings += place.roles
        for database in databases:
            name = new_name(STAGED_PREFIX) if is_named else database.name
            needed = 0 if is_named else database.facts.size_bytes
            shortage = shortage_bytes(place.scratch, needed, reserve_bytes=_RESERVE_BYTES)
            drilling.run(
                DrilledDatabase(work, place.staging, database, name),
                database.dump.plain_bytes,
                room=(place.scratch.parent, shortage),
            )
    return drilling.result(work, {"restore_postgresql": place.version})


@contextmanager
def _scratch_cluster(work: Work, databases: Sequence[DatabaseObjects]) -> Iterator[_Place]:
    # Also with no database, since roles are restored and compared.
    major = max((each.facts.server_major for each in databases), default=0)
    binaries = find_binaries(major, bindir=work.settings.pg_bindir, programs=PROGRAMS)
    with work.scratch("onyx-scratch-postgresql-", before_removal=stop_abandoned) as scratch:
        cluster = ScratchCluster(scratch, binaries, _needs(work, databases))
        try:
            with work.clock.step(Step.PREPARE, "scratch cluster"):
                cluster.start()
            refuse_production(cluster.target, [each.facts for each in databases], work.settings)
            staging = Staging(
                cluster.target, binaries, with_roles=_has_roles(work), may_lack_locale=True
            )
            roles = _restored_roles(work, staging, cluster)
            yield _Place(staging, scratch, str(binaries.version), roles)
        finally:
            with work.clock.step(Step.CLEAN_UP, "scratch cluster"):
                cluster.remove()


@contextmanager
def _server_for_drills(work: Work, databases: Sequence[DatabaseObjects]) -> Iterator[_Place]:
    """Roles belong to the whole server, which others may use: they are looked for in the script and
    not created, and owners and grants are not restored."""
    settings = work.settings
    target = PostgresTarget(
        settings.drill_pg_host,
        settings.drill_pg_port,
        settings.drill_pg_user,
        settings.drill_pg_password,
        settings.drill_pg_sslmode,
    )
    with work.clock.step(Step.PREPARE, "server for drills"):
        refuse_production(target, [each.facts for each in databases], settings)
        server = look_at(target)
        major = max((each.facts.server_major for each in databases), default=0)
        _require(server, major)
        binaries = find_binaries(
            max(server.major, major), bindir=settings.pg_bindir, programs=("pg_restore", "psql")
        )
        sweep(leftovers_on(target))
    staging = Staging(target, binaries, with_roles=False, may_lack_locale=True)
    with work.scratch("onyx-scratch-pg-server-") as scratch:
        yield _Place(staging, scratch, server.version, _roles_in_script(work))


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


def _needs(work: Work, databases: Sequence[DatabaseObjects]) -> ClusterNeeds:
    facts = [each.facts for each in databases]
    first_superuser = None
    try:
        found = loading.globals_of(work.objects)
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


def _has_roles(work: Work) -> bool:
    """Settings may leave them out of a set."""
    try:
        return loading.globals_of(work.objects) is not None
    except (IntegrityError, NotFoundError):
        return True


def _relations(facts: DatabaseFacts) -> int:
    return sum(item.kind in {"table", "index"} for item in facts.schema_items)


def _restored_roles(work: Work, staging: Staging, cluster: ScratchCluster) -> list[Finding]:
    """Roles and grants go in first: databases belong to them."""
    numbers = itertools.count()
    try:
        brought = bring_globals(
            work,
            staging,
            lambda text, _, __: with_tablespaces_in(
                text, lambda _: cluster.directory_of_tablespace(next(numbers))
            ),
        )
    except (IntegrityError, NotFoundError) as error:
        return [damaged(GLOBALS, error)]
    if brought is None:
        return []
    comparison = compare_globals(brought.expected, brought.after)
    return globals_findings(brought.expected, comparison, HostLimits(settings=brought.refused))


def _roles_in_script(work: Work) -> list[Finding]:
    try:
        found = loading.globals_of(work.objects)
        if found is None:
            return []
        record, facts = found
        script = loading.read_script(work, record)
    except (IntegrityError, NotFoundError) as error:
        return [damaged(GLOBALS, error)]
    created = roles_in(script)
    missing = [role.name for role in facts.roles if role.name not in created]
    if missing:
        return [
            Finding.failed(
                GLOBALS,
                "role",
                f"role {name}",
                expected="in the script of roles",
                found="missing",
            )
            for name in missing
        ]
    said = (
        f"{len(facts.roles)} roles are in their script, which was not run: the server for drills"
        " has its own"
    )
    return [Finding.passed(GLOBALS, "role", said)]
