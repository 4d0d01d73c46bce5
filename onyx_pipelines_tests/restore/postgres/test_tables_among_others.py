"""Single tables that others are bound to: partitions, foreign keys with what is said of them, and
tables that are not there or are something else now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_postgres import execute
from onyx_pipelines_tests.restore.postgres.foreign import make_sets
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

ORIGIN = "among_others"
MADE = (
    "CREATE TABLE ref (id int PRIMARY KEY)",
    "CREATE TABLE pt (id int PRIMARY KEY, r int CONSTRAINT pt_ref REFERENCES ref, v text)"
    " PARTITION BY RANGE (id)",
    "CREATE INDEX pt_v ON pt (v)",
    "CREATE TABLE log (what text)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN INSERT INTO log VALUES (TG_TABLE_NAME); RETURN new; END$$",
    "CREATE TRIGGER loud BEFORE INSERT ON pt FOR EACH ROW EXECUTE FUNCTION note()",
    "CREATE TABLE low PARTITION OF pt FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE high PARTITION OF pt FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE points (pt int CONSTRAINT to_pt REFERENCES pt)",
    "COMMENT ON CONSTRAINT to_pt ON points IS E'one\\\\two'",
    "COMMENT ON CONSTRAINT pt_ref ON pt IS 'in each'",
    "COMMENT ON TABLE low IS 'the low ones'",
    "INSERT INTO ref VALUES (1), (2)",
    "INSERT INTO pt VALUES (1, 1, 'a'), (11, 2, 'b')",
    "INSERT INTO points VALUES (1), (11)",
    "CREATE TYPE mood AS ENUM ('calm')",
    "CREATE TABLE moods (mood mood)",
    "TRUNCATE log",
    "CREATE TABLE nothing ()",
    "INSERT INTO nothing DEFAULT VALUES",
    "CREATE TABLE base (id serial, a int, b int)",
    "CREATE TABLE other (n int DEFAULT nextval('base_id_seq'))",
    "CREATE STATISTICS of_two ON a, b FROM base",
    "CREATE VIEW seen AS SELECT a FROM base",
    "CREATE VIEW seen_twice AS SELECT a FROM seen",
    "CREATE PUBLICATION news FOR TABLE base",
    "CREATE TABLE secret (id serial)",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO PUBLIC",
    "CREATE TABLE open (id int)",
    "CREATE TABLE mother (i int)",
    "CREATE TABLE daughter () INHERITS (mother)",
)


@pytest.fixture(scope="module")
def sets(public_dir: Path, postgres_server: PostgresServer) -> Iterator[PostgresSets]:
    execute(postgres_server, "postgres", f"CREATE DATABASE {ORIGIN}")
    execute(postgres_server, ORIGIN, *MADE)
    yield make_sets(public_dir / "sets-among-others", postgres_server)
    execute(postgres_server, "postgres", f"DROP DATABASE {ORIGIN}")


@pytest.fixture(scope="module")
def objects(sets: PostgresSets) -> SetObjects:
    return sets.of(ORIGIN)


@pytest.fixture
def database(sets: PostgresSets, postgres_server: PostgresServer) -> Iterator[str]:
    """A copy of it, to restore into."""
    name = f"{ORIGIN}_copy"
    execute(postgres_server, "postgres", f"CREATE DATABASE {name} TEMPLATE {ORIGIN}")
    yield name
    execute(postgres_server, "postgres", f"DROP DATABASE {name}")


def restored(sets: PostgresSets, objects: SetObjects, database: str, *tables: str) -> str:
    """All that was said."""
    result = sets.restore(objects, tables=tables, into=database)
    assert result.verdict is Verdict.PASSED, result.problems()
    return "\n".join(finding.message for finding in result.findings)


def test_a_leaf_partition_that_others_refer_to_gets_its_rows_back(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    execute(postgres_server, database, "UPDATE pt SET v = 'lost'", "TRUNCATE log")

    restored(sets, objects, database, "public.low")

    assert sets.rows(database, "SELECT id, v FROM pt ORDER BY 1") == [(1, "a"), (11, "lost")]
    assert sets.rows(database, "SELECT count(*) FROM log") == [(0,)]


def test_foreign_keys_come_back_with_their_comments(
    sets: PostgresSets, objects: SetObjects, database: str
) -> None:
    comments = (
        "SELECT conname, obj_description(oid, 'pg_constraint') FROM pg_constraint"
        " WHERE contype = 'f' AND conparentid = 0 ORDER BY 1"
    )

    restored(sets, objects, database, "public.low", "public.ref")

    assert sets.rows(database, comments) == [("pt_ref", "in each"), ("to_pt", "one\\two")]


def test_a_partition_that_is_gone_is_made_and_attached_with_its_indexes_and_comment(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    execute(
        postgres_server,
        database,
        "DELETE FROM points",
        "ALTER TABLE pt DETACH PARTITION low",
        "DROP TABLE low",
        "TRUNCATE log",
    )

    restored(sets, objects, database, "public.low")

    assert sets.rows(database, "SELECT id, v FROM pt ORDER BY 1") == [(1, "a"), (11, "b")]
    found = sets.rows(
        database,
        "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = 'low'::regclass),"
        " obj_description('low'::regclass), (SELECT count(*) FROM log),"
        " (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'low'::regclass AND tgname = 'loud')",
    )
    assert found == [(2, "the low ones", 0, 1)]


def test_a_key_of_another_table_that_went_with_a_table_is_named(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    execute(postgres_server, database, "DROP TABLE ref CASCADE")

    said = restored(sets, objects, database, "public.ref")

    assert "ALTER TABLE public.pt ADD CONSTRAINT pt_ref FOREIGN KEY (r)" in said


@pytest.mark.parametrize(
    ("meanwhile", "table", "said"),
    [
        ("DROP TABLE pt CASCADE", "public.low", r'"public.pt" does not exist'),
        ("DROP TYPE mood CASCADE; DROP TABLE moods", "public.moods", r'"public.mood" does not exi'),
        ("DELETE FROM points; ALTER TABLE pt DETACH PARTITION low; DROP TABLE low;"
         " CREATE VIEW low AS SELECT 1", "public.low", "no ordinary table"),
        ("DELETE FROM points; DELETE FROM pt WHERE id = 1; DELETE FROM ref WHERE id = 1",
         "public.low", "pt_ref of public.low"),
    ],
    ids=["its partitioned table is gone", "its type is gone", "it is a view now", "a key"],
)  # fmt: skip
def test_what_cannot_come_back_is_refused_and_nothing_changes(
    sets: PostgresSets,
    objects: SetObjects,
    postgres_server: PostgresServer,
    database: str,
    meanwhile: str,
    table: str,
    said: str,
) -> None:
    execute(postgres_server, database, meanwhile, "INSERT INTO log VALUES ('kept')")

    with pytest.raises(RestoreError, match=said):
        restored(sets, objects, database, "public.log", table)

    assert sets.rows(database, "SELECT what FROM log") == [("kept",)]


def test_a_partitioned_table_is_refused_with_what_to_name(
    sets: PostgresSets, objects: SetObjects, database: str
) -> None:
    with pytest.raises(RestoreError, match="no rows of its own") as raised:
        restored(sets, objects, database, "public.pt")

    assert "public.low" in raised.value.remedy


def test_a_table_without_columns_gets_its_rows_back(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    execute(postgres_server, database, "TRUNCATE nothing")

    restored(sets, objects, database, "public.nothing")

    assert sets.rows(database, "SELECT count(*) FROM nothing") == [(1,)]


def test_a_table_that_is_made_has_its_own_grants_and_none_that_new_ones_are_given(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    """Else everybody could read what was kept from them."""
    grants = (
        "SELECT relname, has_table_privilege('pg_monitor', oid, 'SELECT') FROM pg_class"
        " WHERE relname IN ('secret', 'secret_id_seq', 'open') ORDER BY 1"
    )
    before = sets.rows(database, grants)
    execute(postgres_server, database, "DROP TABLE secret, open")

    restored(sets, objects, database, "public.secret", "public.open")

    assert sets.rows(database, grants) == before
    assert dict(before) == {"open": True, "secret": False, "secret_id_seq": False}


def test_whatever_went_with_a_table_and_is_not_made_is_named(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    execute(
        postgres_server, database, "DROP TABLE base CASCADE", "CREATE VIEW seen AS SELECT 1 AS a"
    )

    said = restored(sets, objects, database, "public.base")

    assert [line for line in said.split("\n") if "the table that was gone" in line] == [
        "The column public.other.n lost a part with the table that was gone, which is not made"
        " again.",
        "The publication news lost a part with the table that was gone, which is not made again.",
        "The statistics public.of_two went with the table that was gone, which is not made again.",
        "The view public.seen_twice went with the table that was gone, which is not made again.",
    ]


def test_nothing_is_named_where_all_that_went_is_made(
    sets: PostgresSets, objects: SetObjects, postgres_server: PostgresServer, database: str
) -> None:
    execute(postgres_server, database, "DROP TABLE mother CASCADE")

    said = restored(sets, objects, database, "public.mother", "public.daughter")

    assert said.count("(created)") == 2
    assert "went with" not in said
