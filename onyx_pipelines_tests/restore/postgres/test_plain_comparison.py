"""The comparison that judges our own: it finds what was planted, and takes no wording for a
difference."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg import sql

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, Binaries, find_binaries
from onyx_pipelines_tests.fixtures_postgres import execute
from onyx_pipelines_tests.restore.postgres.plain_comparison import (
    Description,
    copy_plainly,
    describe,
    describe_globals,
    differences,
    mapping_differences,
)

ROLE = "plain_role"
SCHEMA = (
    "CREATE TYPE pair AS (l int, r text)",
    "CREATE TABLE orders (id serial PRIMARY KEY, status varchar(9) DEFAULT 'new' CHECK (status IN"
    " ('new', 'paid')), at timestamptz, pair pair, doc json)",
    "INSERT INTO orders (at, pair) SELECT now(), ROW(i, 'x')::pair FROM generate_series(1, 30) i",
    "CREATE TABLE twice (a int)",
    "INSERT INTO twice VALUES (1), (1), (2)",
    "CREATE VIEW paid AS SELECT id FROM orders WHERE status IN ('paid', 'x')",
    "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM orders",
    "CREATE MATERIALIZED VIEW later AS SELECT 1 AS one WITH NO DATA",
    "CREATE FUNCTION noted() RETURNS int LANGUAGE sql AS '-- a note\nSELECT 1'",
    "CREATE INDEX open ON orders (at) WHERE status IN ('new', 'paid')",
    "SELECT setval('orders_id_seq', 70)",
    "SELECT lo_from_bytea(4711, 'large')",
    "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC",
    f"GRANT SELECT ON orders TO {ROLE}",
    "COMMENT ON TABLE orders IS 'all of them'",
)
PLANTED = (
    ("UPDATE orders SET pair = ROW(7, 'X') WHERE id = 7", "rows of public.orders"),
    ("DELETE FROM twice WHERE ctid = '(0,1)'", "rows of public.twice"),
    ("SELECT setval('orders_id_seq', 70, false)", "sequence public.orders_id_seq"),
    ("REFRESH MATERIALIZED VIEW later", "rows of public.later"),
    ("REFRESH MATERIALIZED VIEW totals WITH NO DATA", "materialized view without rows public.t"),
    ("SELECT lo_put(4711, 0, 'L')", "large object 4711"),
    ("REVOKE ALL ON orders FROM plain_role", "TABLE orders; Type: ACL"),
    ("COMMENT ON TABLE orders IS NULL", "TABLE orders; Type: COMMENT"),
    ("ALTER TABLE twice SET UNLOGGED", "twice; Type: TABLE"),
    ("CREATE OR REPLACE VIEW paid AS SELECT id FROM orders WHERE status IN ('paid', 'y')", "paid;"),
    ("CREATE OR REPLACE FUNCTION noted() RETURNS int LANGUAGE sql AS '-- b\nSELECT 1'", "noted();"),
    ("DROP INDEX open", "open; Type: INDEX"),
    ("CREATE TABLE besides (i int)", "besides; Type: TABLE"),
    ("ALTER TABLE orders ALTER at SET DEFAULT now()", "orders; Type: TABLE"),
    ("ALTER DATABASE {} CONNECTION LIMIT 7", "database datconnlimit"),
    ("ALTER DATABASE {} SET work_mem = '7MB'", "setting work_mem"),
    ("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", "database grants"),
    ("COMMENT ON DATABASE {} IS 'other'", "database comment"),
)


@pytest.fixture(scope="module")
def programs() -> Binaries:
    return find_binaries(0, programs=("pg_dump", "psql", *SERVER_PROGRAMS))


@pytest.fixture(scope="module")
def original(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"plain_{secrets.token_hex(4)}"
    execute(postgres_server, "postgres", f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {name}")
    execute(postgres_server, name, *SCHEMA)
    yield name
    drop(postgres_server, name)
    execute(postgres_server, "postgres", f"DROP ROLE {ROLE}")


@pytest.fixture(scope="module")
def before(postgres_server: PostgresServer, original: str, programs: Binaries) -> Description:
    return describe(postgres_server, original, programs)


@pytest.fixture(scope="module")
def damaged(
    postgres_server: PostgresServer, original: str, before: Description, programs: Binaries
) -> Iterator[list[str]]:
    """All of it planted in one copy, and what is found."""
    name = f"{original}_damaged"
    execute(postgres_server, "postgres", f"CREATE DATABASE {name} TEMPLATE {original}")
    execute(postgres_server, name, *(damage.format(name) for damage, _ in PLANTED))
    yield differences(before, describe(postgres_server, name, programs))
    drop(postgres_server, name)


@pytest.fixture(scope="module")
def plain_copy(postgres_server: PostgresServer, original: str, programs: Binaries) -> Iterator[str]:
    name = f"{original}_copy"
    assert copy_plainly(postgres_server, original, postgres_server, name, programs) == ""
    yield name
    drop(postgres_server, name)


def drop(server: PostgresServer, name: str) -> None:
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize(("damage", "named"), PLANTED)
def test_what_was_planted_is_found(damaged: list[str], damage: str, named: str) -> None:
    assert [each for each in damaged if each.startswith(named)]


def test_a_copy_by_postgresqls_own_tools_is_worded_otherwise_and_no_other(
    postgres_server: PostgresServer, before: Description, plain_copy: str, programs: Binaries
) -> None:
    after = describe(postgres_server, plain_copy, programs)

    assert differences(before, after) != []
    assert differences(before, after, after) == []


def test_another_value_in_what_is_worded_otherwise_is_found(
    postgres_server: PostgresServer, before: Description, plain_copy: str, programs: Binaries
) -> None:
    as_restored = describe(postgres_server, plain_copy, programs)
    execute(
        postgres_server,
        plain_copy,
        "ALTER TABLE orders DROP CONSTRAINT orders_status_check, ADD CONSTRAINT orders_status_check"
        " CHECK (status IN ('new', 'lost'))",
    )

    found = differences(before, describe(postgres_server, plain_copy, programs), as_restored)

    assert [each.partition(";")[0] for each in found] == ["orders"]


def test_a_role_that_is_not_as_it_was_is_found(
    postgres_server: PostgresServer, original: str
) -> None:
    before = describe_globals(postgres_server, f"^{ROLE}$")
    execute(postgres_server, "postgres", f"ALTER ROLE {ROLE} NOLOGIN")

    found = mapping_differences(before, describe_globals(postgres_server, f"^{ROLE}$"))

    assert [each.partition(":")[0] for each in found] == [f"role {ROLE}"]
