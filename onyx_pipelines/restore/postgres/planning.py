"""What a restore of PostgreSQL would do, for a person who decides. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Placement, PlannedChange
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.server import TargetServer, look_at, placed, target_of
from onyx_pipelines.restore.postgres.table_restoring import tables_of
from onyx_pipelines.sources.postgres.target import PostgresTarget

_NAMED_ROLES = 5


def plan(objects: SetObjects, choice: RestoreChoice, settings: Settings) -> list[PlannedChange]:
    """One change for the roles, and one for each database or table.

    Raises:
        SettingsError, RestoreError: the request fits neither the set nor this host.
        SourceError: the server does not answer.
        IntegrityError, StoreError, KeyFileError: the set cannot be read.
    """
    placements = placed(choice, loading.databases_of(objects, choice.databases))
    tables = tables_of(choice.tables, placements)
    target = target_of(choice, settings)
    server = look_at(target)
    if tables:
        (placement,) = placements
        return [_table_change(name, placement, target) for name in tables]
    changes = list(_roles(objects, server, target)) if choice.with_globals else []
    return [*changes, *(_change(each, server, target, choice) for each in placements)]


def _change(
    placement: Placement[DatabaseObjects],
    server: TargetServer,
    target: PostgresTarget,
    choice: RestoreChoice,
) -> PlannedChange:
    database, name = placement.of_set, placement.final_name
    there = server.databases.get(name)
    sentences = [
        f"{len(database.facts.tables)} tables, {database.facts.rows:,} rows,"
        f" {database.facts.size_bytes:,} bytes when it was backed up."
    ]
    if there is not None:
        sentences.append(f"The one that is there has {there.size_bytes:,} bytes.")
        sentences.append(
            "It is kept under another name." if choice.keep_old else "It is dropped afterwards."
        )
        if there.sessions:
            sentences.append(f"Its {there.sessions} sessions are ended.")
    return PlannedChange(
        what=f"database {database.name}",
        target=f"{name} at {target.address}",
        overwrites=there is not None,
        detail=" ".join(sentences),
    )


def _table_change(
    table: str, placement: Placement[DatabaseObjects], target: PostgresTarget
) -> PlannedChange:
    (facts,) = (each for each in placement.of_set.facts.tables if each.name == table)
    return PlannedChange(
        what=f"table {table} of database {placement.of_set.name}",
        target=f"{placement.final_name} at {target.address}",
        overwrites=True,
        detail=f"{facts.rows:,} rows take the place of those that are there, in one transaction;"
        " a table that is not there is created.",
    )


def _roles(
    objects: SetObjects, server: TargetServer, target: PostgresTarget
) -> Iterator[PlannedChange]:
    found = loading.globals_of(objects)
    if found is None:
        return
    new = sorted({role.name for role in found[1].roles} - server.roles)
    more = f" and {len(new) - _NAMED_ROLES} more" if len(new) > _NAMED_ROLES else ""
    yield PlannedChange(
        what="roles and grants",
        target=target.address,
        overwrites=False,
        detail=f"Created: {', '.join(new[:_NAMED_ROLES]) or 'none'}{more}. Roles that are there"
        " stay as they are, with their passwords.",
    )
