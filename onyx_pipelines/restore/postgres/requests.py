"""What is asked of a real restore of PostgreSQL, and which database then becomes which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onyx_pipelines.errors import SettingsError
from onyx_pipelines.settings import Settings

if TYPE_CHECKING:
    from onyx_pipelines.restore.postgres.loading import DatabaseObjects
    from onyx_pipelines.sources.postgres.target import PostgresTarget

_LONGEST_NAME_BYTES = 63


@dataclass(frozen=True)
class PostgresRestoreRequest:
    """Which databases, or which tables of one, and where to.

    Args:
        databases: names; none: every database of the set.
        tables: "schema.name" as the set's facts have them; exactly one database then.
        target: None: the server of the settings.
        database_as: another name for the one database chosen.
        with_globals: roles and grants first. What the server has already is left as it is.
        replace: whether what is there may be replaced; otherwise the restore refuses.
        keep_old: keep a replaced database as NAME_before_TIME instead of dropping it.
    """

    databases: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    target: PostgresTarget | None = None
    database_as: str = ""
    with_globals: bool = True
    replace: bool = False
    keep_old: bool = False


@dataclass(frozen=True)
class Placement:
    """One database of the set and its name on the target."""

    database: DatabaseObjects
    final_name: str


def target_of(request: PostgresRestoreRequest, settings: Settings) -> PostgresTarget:
    """The server to restore into.

    Raises:
        SettingsError: none is configured or named.
    """
    if request.target is not None:
        return request.target
    if not settings.pg_host:
        raise SettingsError(
            "The settings of this host name no PostgreSQL server.",
            remedy="Set ONYX_PG_HOST, or name a server (--into postgresql://USER@HOST:PORT).",
        )
    from onyx_pipelines.sources.postgres.target import PostgresTarget

    return PostgresTarget.from_settings(settings)


def placements_of(
    request: PostgresRestoreRequest, databases: Sequence[DatabaseObjects]
) -> list[Placement]:
    """Each database and the name it gets.

    Raises:
        SettingsError: another name, or tables, for more than one database; an impossible name.
    """
    if (request.tables or request.database_as) and len(databases) != 1:
        what = "Tables are" if request.tables else f"The name {request.database_as!r} is"
        raise SettingsError(
            f"{what} for one database, and {len(databases)} are to be restored.",
            remedy=f"Choose one with --database: {', '.join(each.name for each in databases)}.",
        )
    name = request.database_as
    if len(name.encode()) > _LONGEST_NAME_BYTES or "\0" in name:
        raise SettingsError(
            f"{name!r} cannot be the name of a database.", remedy="It may have 63 bytes."
        )
    return [Placement(each, name or each.name) for each in databases]
