"""After single tables came back, their columns get values that no row has: whichever sequence gives
them, wherever it was reset meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import execute
from onyx_pipelines_tests.restore.postgres.foreign import make_sets
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

DATABASE = "numbers"
MADE = (
    "CREATE TABLE one (id serial PRIMARY KEY, v text)",
    "INSERT INTO one (v) VALUES ('a')",
    "CREATE SEQUENCE down INCREMENT -1 START -1",
    "CREATE TABLE two (id int DEFAULT nextval('down') PRIMARY KEY)",
    "INSERT INTO two DEFAULT VALUES",
    "CREATE TABLE unused (id serial PRIMARY KEY)",
    "SELECT setval('unused_id_seq', 7, false)",
    "CREATE TABLE identity (id int GENERATED ALWAYS AS IDENTITY, v text)",
    "INSERT INTO identity (v) VALUES ('a'), ('b')",
    "CREATE TABLE ahead (id serial PRIMARY KEY)",
    "INSERT INTO ahead DEFAULT VALUES",
    "CREATE TABLE last (id smallserial PRIMARY KEY)",
    "SELECT setval('last_id_seq', 32767)",
    'CREATE SEQUENCE "100% odd"',
    """CREATE TABLE gone (id serial PRIMARY KEY, n int DEFAULT nextval('"100% odd"'))""",
    "INSERT INTO gone DEFAULT VALUES",
)
MEANWHILE = (
    "TRUNCATE one, identity RESTART IDENTITY",
    "DELETE FROM two",
    "ALTER SEQUENCE down RESTART",
    "SELECT setval('unused_id_seq', 1, false)",
    "SELECT setval('ahead_id_seq', 50)",
    "SELECT setval('last_id_seq', 1)",
    "DROP TABLE gone",
    'DROP SEQUENCE "100% odd"',
)
TABLES = ("one", "two", "unused", "identity", "ahead", "last", "gone")


@pytest.fixture(scope="module")
def sets(public_dir: Path, postgres_server: PostgresServer) -> Iterator[PostgresSets]:
    """Restored already, all tables in one call."""
    execute(postgres_server, "postgres", f"CREATE DATABASE {DATABASE}")
    execute(postgres_server, DATABASE, *MADE)
    sets = make_sets(public_dir / "sets-numbers", postgres_server)
    objects = sets.of(DATABASE)
    execute(postgres_server, DATABASE, *MEANWHILE)
    result = sets.restore(objects, tables=tuple(f"public.{name}" for name in TABLES))
    assert result.verdict is Verdict.PASSED, result.problems()
    yield sets
    execute(postgres_server, "postgres", f"DROP DATABASE {DATABASE}")


@pytest.mark.parametrize(
    ("inserting", "value"),
    [
        ("INSERT INTO one (v) VALUES ('b') RETURNING id", 2),
        ("INSERT INTO two DEFAULT VALUES RETURNING id", -2),
        ("INSERT INTO unused DEFAULT VALUES RETURNING id", 7),
        ("INSERT INTO identity (v) VALUES ('c') RETURNING id", 3),
        ("INSERT INTO ahead DEFAULT VALUES RETURNING id", 51),
        ("SELECT last_value FROM last_id_seq", 32767),
        ("INSERT INTO gone DEFAULT VALUES RETURNING id", 2),
        ("SELECT max(n) FROM gone", 2),
    ],
    ids=[
        *(
            "of one row",
            "descending and owned by no column",
            "never asked",
            "of an identity column",
        ),
        *("ahead of the set's", "exhausted", "of a table that was gone", "that was gone itself"),
    ],
)
def test_a_sequence_goes_on(sets: PostgresSets, inserting: str, value: Any) -> None:
    assert sets.rows(DATABASE, inserting) == [(value,)]
