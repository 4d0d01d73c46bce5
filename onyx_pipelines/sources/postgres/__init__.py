"""PostgreSQL: one exported snapshot gives both the dump and the facts about it."""

from onyx_pipelines.sources.postgres.postgres_source import PostgresSource

__all__ = ["PostgresSource"]
