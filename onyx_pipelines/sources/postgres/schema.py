"""Reads everything that a database's schema consists of: cheap, from its catalogs alone."""

from __future__ import annotations

from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.attachments import attachment_queries
from onyx_pipelines.sources.postgres.catalog_query import CatalogQuery, read_items
from onyx_pipelines.sources.postgres.facts import SchemaItem
from onyx_pipelines.sources.postgres.objects import object_queries
from onyx_pipelines.sources.postgres.relations import relation_queries


def schema_queries(major: int, *, superuser: bool) -> tuple[CatalogQuery, ...]:
    """What reads a schema on a server of this major version, as far as the role may."""
    return (
        *relation_queries(major),
        *object_queries(major),
        *attachment_queries(major, superuser=superuser),
    )


def read_schema(connection: psycopg.Connection[Any]) -> tuple[SchemaItem, ...]:
    """Every object of a database's schemas, sorted by kind and name, with its definition."""
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    superuser = bool((row.fetchone() or (False,))[0])
    major = connection.info.server_version // 10_000
    items = read_items(connection, schema_queries(major, superuser=superuser))
    return tuple(sorted(items, key=lambda item: (item.kind, item.name)))
