"""PostgreSQL: one exported snapshot gives both the dump and the facts about it."""

from typing import TYPE_CHECKING

from onyx_pipelines.core.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.sources.postgres.postgres_source import PostgresSource

__all__ = ["PostgresSource"]

__getattr__ = on_demand(__name__, {"PostgresSource": "postgres_source"})
