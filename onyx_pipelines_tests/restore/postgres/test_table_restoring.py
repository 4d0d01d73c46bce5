"""Single tables come back into a database that goes on, all of them or none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import MakeDatabase, execute
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets
from onyx_pipelines_tests.waiting import wait_until

TABLES = (
    "CREATE SCHEMA app",
    "CREATE TABLE app.users (id serial PRIMARY KEY, name text,"
    " shout text GENERATED ALWAYS AS (upper(name)) STORED)",
    "CREATE TABLE app.notes (id int GENERATED ALWAYS AS IDENTITY, owner int"
    " REFERENCES app.users ON DELETE CASCADE, body text)",
    "CREATE INDEX notes_by_body ON app.notes (body)",
    "CREATE TABLE app.log (what text)",
    "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN INSERT INTO app.log VALUES (TG_OP); RETURN NULL; END$$",
    "CREATE TRIGGER loud AFTER INSERT OR DELETE ON app.users FOR EACH ROW"
    " EXECUTE FUNCTION app.note()",
    "INSERT INTO app.users (name) VALUES ('ada'), ('grace')",
    "INSERT INTO app.notes (owner, body) VALUES (1, 'a'), (2, 'b')",
    "TRUNCATE app.log",
)


@pytest.fixture
def database(postgres_server: PostgresServer, make_database: MakeDatabase) -> str:
    name = make_database()
    execute(postgres_server, name, *TABLES)
    return name


def users(sets: PostgresSets, database: str) -> list[tuple[object, ...]]:
    return sets.rows(database, "SELECT id, name, shout FROM app.users ORDER BY id")


def test_a_table_gets_its_rows_back_and_others_keep_theirs(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(
        postgres_server,
        database,
        "UPDATE app.users SET name = 'nobody'",
        "INSERT INTO app.notes (owner, body) VALUES (1, 'later')",
        "TRUNCATE app.log",
    )

    result = sets.restore(objects, tables=("app.users",))

    assert result.verdict is Verdict.PASSED, result.problems()
    assert users(sets, database) == [(1, "ada", "ADA"), (2, "grace", "GRACE")]
    assert sets.rows(database, "SELECT count(*) FROM app.notes") == [(3,)]


def test_its_triggers_do_not_fire_and_go_on_afterwards(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(postgres_server, database, "TRUNCATE app.log")

    sets.restore(objects, tables=("app.users",))

    assert sets.rows(database, "SELECT count(*) FROM app.log") == [(0,)]
    execute(postgres_server, database, "INSERT INTO app.users (name) VALUES ('new')")
    assert sets.rows(database, "SELECT count(*) FROM app.log") == [(1,)]


def test_its_sequence_never_goes_back(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(postgres_server, database, "SELECT setval('app.users_id_seq', 50)")

    sets.restore(objects, tables=("app.users",))

    assert sets.rows(database, "SELECT nextval('app.users_id_seq')") == [(51,)]


def test_a_foreign_key_that_would_not_hold_is_named_and_nothing_changes(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(
        postgres_server,
        database,
        "INSERT INTO app.users (name) VALUES ('third')",
        "INSERT INTO app.notes (owner, body) VALUES (3, 'of the third')",
    )

    with pytest.raises(RestoreError, match="notes_owner_fkey"):
        sets.restore(objects, tables=("app.users",))

    assert len(users(sets, database)) == 3
    keys = sets.rows(database, "SELECT count(*) FROM pg_constraint WHERE contype = 'f'")
    assert keys == [(1,)]


def test_tables_that_belong_together_come_back_together(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(
        postgres_server,
        database,
        "INSERT INTO app.users (name) VALUES ('third')",
        "INSERT INTO app.notes (owner, body) VALUES (3, 'of the third')",
    )

    result = sets.restore(objects, tables=("app.users", "app.notes"))

    assert result.verdict is Verdict.PASSED, result.problems()
    assert len(users(sets, database)) == 2
    assert sets.rows(database, "SELECT body FROM app.notes ORDER BY id") == [("a",), ("b",)]


def test_a_table_that_is_gone_is_made_with_all_that_belongs_to_it(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(postgres_server, database, "DROP TABLE app.notes")

    result = sets.restore(objects, tables=("app.notes",))

    assert result.verdict is Verdict.PASSED, result.problems()
    found = sets.rows(
        database,
        "SELECT (SELECT count(*) FROM app.notes), to_regclass('app.notes_by_body') IS NOT NULL,"
        " (SELECT count(*) FROM pg_constraint WHERE conname = 'notes_owner_fkey')",
    )
    assert found == [(2, True, 1)]


def test_other_columns_than_then_are_refused(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    execute(postgres_server, database, "ALTER TABLE app.users ADD COLUMN age int")

    with pytest.raises(RestoreError, match="other columns now than in the set: age"):
        sets.restore(objects, tables=("app.users",))


def test_a_table_that_the_set_does_not_have_is_refused(sets: PostgresSets, database: str) -> None:
    objects = sets.of(database)

    with pytest.raises(RestoreError, match=r"has no table app\.lost"):
        sets.restore(objects, tables=("app.lost",))


def test_no_database_is_left_beside(sets: PostgresSets, database: str) -> None:
    objects = sets.of(database)
    before = sets.databases()

    sets.restore(objects, tables=("app.users",))

    assert sets.databases() == before


def test_a_deadlock_with_somebody_who_writes_is_tried_again(
    sets: PostgresSets, postgres_server: PostgresServer, database: str
) -> None:
    objects = sets.of(database)
    waiting = "SELECT FROM pg_locks WHERE relation = 'app.users'::regclass AND NOT granted"

    with postgres_server.connect(database) as writer, ThreadPoolExecutor() as pool:
        writer.execute("BEGIN; UPDATE app.users SET name = 'busy'")
        restoring = pool.submit(sets.restore, objects, tables=("app.notes",))
        wait_until(lambda: sets.rows(database, waiting), "the restore waits for the writer")
        # Of both, the server ends the one that has waited for a second first.
        with suppress(psycopg.errors.DeadlockDetected):
            writer.execute("INSERT INTO app.notes (owner, body) VALUES (1, 'later'); COMMIT")
        writer.execute("ROLLBACK")
        result = restoring.result()

    assert result.verdict is Verdict.PASSED, result.problems()
    assert sets.rows(database, "SELECT body FROM app.notes ORDER BY id") == [("a",), ("b",)]
