"""Large objects as facts: how many of whom, who may use them, and one fingerprint of what they
hold."""

from __future__ import annotations

from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.catalog_query import own_grants
from onyx_pipelines.sources.postgres.facts import (
    LargeObjectContent,
    LargeObjectFacts,
    sample_modulus,
)
from onyx_pipelines.sources.postgres.inventory import server_major

Connection = psycopg.Connection[Any]

_GROUPS = (
    "SELECT pg_get_userbyid(m.lomowner), "  # noqa: S608  (constants of ours)
    # Granted to nobody, and no more to anybody, is the same.
    f"coalesce({own_grants('m.lomacl', 'm.lomowner', 'L')}, '{{}}'), count(*),"
    " sum(hashint8extended(m.oid::bigint, 0))::text"
    " FROM pg_largeobject_metadata m GROUP BY 1, 2 ORDER BY 1, 2"
)
# What was never written reads as zeros, and comes back written: so zeros at a page's end do not
# count, while the size does.
_CONTENT = """
WITH pages AS (
  SELECT loid, pageno, rtrim(data, '\\x00'::bytea) AS data,
         pageno * 2048::bigint + length(data) AS ending
  FROM pg_largeobject WHERE hashint8extended(loid::bigint, 0) & {mask} = 0)
SELECT (coalesce((SELECT sum(hashint8extended(hash_record_extended(ROW(loid, pageno, data), 0), 0))
                  FROM pages WHERE length(data) > 0), 0)
      + coalesce((SELECT sum(hashint8extended(hash_record_extended(ROW(loid, size), 0), 0))
                  FROM (SELECT loid, max(ending) FROM pages GROUP BY loid) sizes (loid, size)),
                 0))::text
"""
_TRIMS_SINCE = 14


def read_groups(connection: Connection) -> tuple[LargeObjectFacts, ...]:
    return tuple(
        LargeObjectFacts(owner=owner, grants=tuple(granted), count=count, numbers=numbers)
        for owner, granted, count, numbers in connection.execute(_GROUPS.encode()).fetchall()
    )


def read_content(
    connection: Connection, *, limit_bytes: int | None = None, modulus: int = 1
) -> LargeObjectContent | None:
    """By that modulus, or by the one that the limit asks for."""
    if server_major(connection) < _TRIMS_SINCE:
        return None
    try:
        with connection.transaction():
            if limit_bytes is not None:
                row = connection.execute("SELECT pg_table_size('pg_largeobject')").fetchone()
                modulus = sample_modulus(row[0] if row else 0, limit_bytes)
            row = connection.execute(_CONTENT.format(mask=modulus - 1).encode()).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return LargeObjectContent(fingerprint=row[0], sample_modulus=modulus) if row else None
