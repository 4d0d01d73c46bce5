"""Facts of an older server equal those of the copy that a newer one restored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.relations import NOT_NULL
from onyx_pipelines_tests.fixtures_postgres import (
    dump_in,
    execute,
    facts_in,
    facts_now,
    restore,
    source_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

# What differs between versions: serial and identity columns, NOT NULL (constraints of their own
# from 18 on), grants, generated columns, domains, partitions, and the words of views and functions.
_SCHEMA = (
    "CREATE DOMAIN public.positive AS int NOT NULL CHECK (VALUE > 0)",
    "CREATE TABLE public.parts (id serial, at date NOT NULL, amount public.positive,"
    " twice int GENERATED ALWAYS AS (amount * 2) STORED, PRIMARY KEY (id, at))"
    " PARTITION BY RANGE (at)",
    "CREATE TABLE public.parts_2026 PARTITION OF public.parts"
    " FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "INSERT INTO public.parts (at, amount) SELECT date '2026-01-01' + i % 300, i"
    " FROM generate_series(1, 2000) i",
    "CREATE MATERIALIZED VIEW public.totals AS SELECT at, sum(amount) FROM public.parts GROUP BY 1",
    "CREATE FUNCTION public.later(d date) RETURNS date LANGUAGE plpgsql"
    " AS 'BEGIN RETURN d + 1; END'",
    "GRANT ALL ON public.parts TO PUBLIC",
)


@pytest.fixture
def newer(public_dir: Path, wheel: Binaries) -> Iterator[PostgresServer]:
    """A server of the wheel's version."""
    directory = Path(tempfile.mkdtemp(dir=public_dir))
    directory.chmod(0o755)
    with PostgresServer(directory, binaries=wheel) as server:
        yield server


def _comparable(facts: DatabaseFacts) -> dict[str, object]:
    """Definitions are left out: another major version may word them otherwise. From version 18 on
    a not-null column has a constraint with a name."""
    return {
        "content": [(t.name, t.rows, t.fingerprint) for t in facts.tables],
        "sequences": facts.sequences,
        "extensions": [extension.name for extension in facts.extensions],
        "schema": [(item.kind, item.name) for item in facts.schema_items if item.kind != NOT_NULL],
    }


def test_a_newer_server_restores_the_same_rows_sequences_and_schema(
    postgres_server: PostgresServer, newer: PostgresServer
) -> None:
    execute(postgres_server, "postgres", "CREATE DATABASE for_newer TEMPLATE onyx")
    execute(postgres_server, "for_newer", *_SCHEMA)
    sink = RecordingSink()
    source_of(postgres_server, "for_newer").back_up(sink, silent)
    execute(postgres_server, "postgres", "DROP DATABASE for_newer")
    execute(newer, "postgres", "CREATE ROLE onyx_reader", "CREATE DATABASE copy")

    restore(newer, dump_in(sink, "for_newer"), "copy")

    expected = facts_in(sink, "for_newer")
    found = facts_now(newer, "copy", like=expected)
    assert _comparable(found) == _comparable(expected)
    assert found.rows == expected.rows > 5000


def test_a_server_newer_than_every_installed_pg_dump_is_dumped_with_the_wheels(
    newer: PostgresServer,
) -> None:
    execute(newer, "postgres", *_SCHEMA)
    sink = RecordingSink()

    report = source_of(newer, "postgres").back_up(sink, silent)

    assert report.versions["postgresql"] == _version(newer)
    assert dump_in(sink, "postgres").startswith(b"PGDMP")
    assert facts_in(sink, "postgres").rows == 2000


def _version(server: PostgresServer) -> str:
    connection: psycopg.Connection
    with server.connect() as connection:
        major, minor = divmod(connection.info.server_version, 10_000)
    return f"{major}.{minor}"
