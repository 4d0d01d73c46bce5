"""Keeps a drill away from the server that is backed up, whatever name it is given."""

from __future__ import annotations

from collections.abc import Iterable

from onyx_pipelines.errors import RestoreError, SourceError
from onyx_pipelines.restore.postgres.loading import MAINTENANCE_DATABASE
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.inventory import read_system_identifier
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors
from onyx_pipelines.telemetry import logger

_log = logger("restore")


def refuse_production(
    target: PostgresTarget, databases: Iterable[DatabaseFacts], settings: Settings
) -> None:
    """By the identifier that a cluster gets when it is made: one server has many names.

    It is compared with the one that each database was dumped from, and with the one that the
    settings name as the source now (which is another one after a move).

    Raises:
        RestoreError: it is the same, or it cannot be told.
        SourceError: the server for the drill does not answer.
    """
    identifier = identifier_of(target)
    if identifier is None:
        raise RestoreError(
            "Whether the server for drills is the one that is backed up cannot be told: its role"
            f" {target.user} may not read pg_control_system().",
            remedy="Nothing was touched. Grant it pg_monitor there.",
        )
    known = {each.system_identifier for each in databases}
    if settings.pg_host:
        source = PostgresTarget.from_settings(settings)
        if source.address == target.address:
            known.add(identifier)
        else:
            try:
                known.add(identifier_of(source))
            except SourceError as error:
                _log.warning("the source is not compared with the drill's server: %s", error.what)
    if identifier in known:
        raise RestoreError(
            f"The server for drills, {target.address}, is the one that is backed up.",
            remedy="Nothing was touched. Name another one in ONYX_DRILL_PG_HOST, or none: then a"
            " throw-away cluster is made.",
        )


def identifier_of(target: PostgresTarget) -> str | None:
    """Of the cluster; None where the role may not read it."""
    with (
        target.connect(MAINTENANCE_DATABASE) as connection,
        postgres_errors(target, MAINTENANCE_DATABASE),
    ):
        return read_system_identifier(connection)
