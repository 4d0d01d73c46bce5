"""Reads what a database has of sequences and extensions, and which server it is."""

from __future__ import annotations

from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.catalog_query import (
    OF_RELATION,
    OURS,
    RELATION,
    not_of_extension,
)
from onyx_pipelines.sources.postgres.facts import ExtensionFacts, SequenceFacts
from onyx_pipelines.sources.postgres.session_encoding import encoded

Connection = psycopg.Connection[Any]

_SEQUENCES = f"""
SELECT {RELATION}, s.seqincrement, s.seqcycle, c.relpersistence = 'u' AND pg_is_in_recovery()
FROM pg_sequence s JOIN {OF_RELATION} ON c.oid = s.seqrelid
WHERE c.relpersistence <> 't' AND {OURS} AND ({not_of_extension("pg_class", "c")}
      OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))
ORDER BY 1
"""  # noqa: S608  (constants of ours)
_AT_ONCE = 200
# The limit of -2 marks a database that was to be dropped, and was not to the end.
_DATABASES = """
SELECT textsend(datname::text), CASE WHEN NOT datallowconn THEN 'it allows no connections'
                     WHEN datconnlimit = -2 THEN 'a DROP DATABASE of it was interrupted' END
FROM pg_database WHERE NOT datistemplate ORDER BY 1
"""


def read_sequences(connection: Connection) -> tuple[SequenceFacts, ...]:
    """Read before the dump begins: sequences stand outside of every snapshot and only move on."""
    listed = [row[:3] for row in connection.execute(_SEQUENCES.encode()).fetchall() if not row[3]]
    facts = []
    for begin in range(0, len(listed), _AT_ONCE):
        some = listed[begin : begin + _AT_ONCE]
        # Their names are quoted.
        query = " UNION ALL ".join(
            f"SELECT {number}, last_value, is_called FROM {name}"  # noqa: S608  (quoted by the server)
            for number, (name, _, _) in enumerate(some)
        )
        for number, last_value, is_called in connection.execute(
            encoded(connection, query)
        ).fetchall():
            name, increment, cycles = some[number]
            facts.append(
                SequenceFacts(
                    name=name,
                    last_value=last_value,
                    is_called=is_called,
                    increment=increment,
                    cycles=cycles,
                )
            )
    return tuple(sorted(facts, key=lambda each: each.name))


def unreadable_sequences(connection: Connection) -> tuple[str, ...]:
    """Of unlogged tables, which a standby knows by name only."""
    rows = connection.execute(_SEQUENCES.encode()).fetchall()
    return tuple(name for name, _, _, is_unreadable in rows if is_unreadable)


def read_extensions(connection: Connection) -> tuple[ExtensionFacts, ...]:
    rows = connection.execute("SELECT extname, extversion FROM pg_extension ORDER BY 1")
    return tuple(ExtensionFacts(name=name, version=version) for name, version in rows)


def read_system_identifier(connection: Connection) -> str | None:
    """What tells one cluster from another; None where the role may not read it."""
    try:
        with connection.transaction():
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return str(row[0]) if row else None


def list_databases(connection: Connection) -> tuple[str, ...]:
    """Every database that can be read, without templates."""
    return tuple(name for name, why_not in _databases(connection).items() if why_not is None)


def list_shut_databases(connection: Connection) -> dict[str, str]:
    """The others that are no templates, and why nobody reads them."""
    return {name: why for name, why in _databases(connection).items() if why is not None}


def _databases(connection: Connection) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for raw, why_shut in connection.execute(_DATABASES):
        try:
            found[raw.decode()] = why_shut
        except UnicodeDecodeError:
            # It was created from one of another encoding, in whose letters the name is kept.
            found[raw.decode(errors="backslashreplace")] = (
                "its name is not in UTF-8 (rename it from a database of its encoding)"
            )
    return found


def server_version(connection: Connection) -> str:
    """ "16.4", without what the packager adds."""
    row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]).split(" ")[0] if row else ""


def server_major(connection: Connection) -> int:
    """17 of a server 17.2; known from the connection, nothing is asked."""
    return connection.info.server_version // 10_000
