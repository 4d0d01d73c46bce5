"""Tables, indexes and views that are not what they were when the relay last looked: a migration
that nobody has to note. Two quick queries of the catalog; no row of a table is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.sources.postgres.inventory import list_databases
from onyx_pipelines.sources.postgres.target import PostgresTarget

_MOST_NAMED: Final = 4
# What waits for a lock of the migration itself is asked again in a minute.
_LIMIT: Final = "SET statement_timeout = '5s'"
_RELATIONS: Final = """
SELECT n.nspname || '.' || c.relname,
       md5(concat(c.relkind, pg_get_indexdef(i.indexrelid), string_agg(
           concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ','
           ORDER BY a.attnum)))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY n.nspname, c.relname, c.relkind, i.indexrelid
"""

Schema = dict[str, str]


class SeenSchemas(BaseModel):
    """`databases`: of each a digest of each relation, by its name."""

    model_config = ConfigDict(frozen=True)

    databases: dict[str, Schema] = Field(default_factory=dict)


def seen_schemas(settings: Settings) -> SeenSchemas:
    """As they are now, of the databases that are backed up.

    Raises:
        SourceError: PostgreSQL does not answer, or lets nobody in.
    """
    target = PostgresTarget.from_settings(settings)
    names = settings.pg_databases
    if "*" in names:
        with target.connect(settings.pg_maintenance_database) as connection:
            names = list_databases(connection)
    found = {}
    for name in names:
        with target.connect(name) as connection:
            connection.execute(_LIMIT)
            found[name] = dict(connection.execute(_RELATIONS).fetchall())
    return SeenSchemas(databases=found)


def changed(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[str]:
    """A line on each database whose schema did. One that is new, or gone, has not."""
    lines = []
    for name in sorted(before.keys() & now.keys()):
        was, is_now = before[name], now[name]
        differ = sorted(
            each for each in was.keys() | is_now.keys() if was.get(each) != is_now.get(each)
        )
        if differ:
            more = len(differ) - _MOST_NAMED
            named = ", ".join(differ[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            lines.append(f"{name}: {named}")
    return lines


def notice_schemas(settings: Settings) -> list[str]:
    """What changed since the last time, and remember what is now; nothing without a PostgreSQL.

    Raises:
        SourceError: PostgreSQL does not answer, or lets nobody in.
        OSError: the state directory cannot be written.
    """
    if not settings.pg_host:
        return []
    file = RecordFile(settings.state_dir / "errors" / "relay" / "schemas.json", SeenSchemas)
    try:
        before = file.read()
    except ValidationError:
        before = None
    now = seen_schemas(settings)
    if now != before:
        file.write(now)
    return changed(before.databases, now.databases) if before else []
