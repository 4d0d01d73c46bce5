"""A database comes back beside the one that is there, and replaces it only if it is the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from onyx_pipelines.core.errors import OnyxError, RestoreError, SettingsError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.postgres.marked_databases import drop
from onyx_pipelines.restore.postgres.restoring import restoration
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import MakeDatabase, execute, target_of
from onyx_pipelines_tests.restore.postgres.foreign import drilled, make_sets
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

NOTES = (
    "CREATE TABLE public.notes (id serial PRIMARY KEY, body text)",
    "INSERT INTO public.notes (body) SELECT 'then ' || i FROM generate_series(1, 100) i",
)
LATER = "UPDATE public.notes SET body = 'now'"


def in_place(result: ComponentResult) -> list[tuple[Verdict, str]]:
    return [(f.verdict, f.message) for f in result.findings if f.aspect == "in place"]


def bodies(sets: PostgresSets, database: str) -> set[str]:
    return {body for (body,) in sets.rows(database, "SELECT DISTINCT left(body, 4) FROM notes")}


@pytest.fixture
def database(postgres_server: PostgresServer, make_database: MakeDatabase) -> str:
    name = make_database()
    execute(postgres_server, name, *NOTES)
    return name


class TestARestoredDatabase:
    def test_of_another_encoding_has_its_comment_and_settings(
        self, sets: PostgresSets, postgres_server: PostgresServer, make_database: MakeDatabase
    ) -> None:
        database = make_database(options="ENCODING 'LATIN1'")
        execute(
            postgres_server,
            database,
            f"COMMENT ON DATABASE {database} IS 'über'",
            f"ALTER DATABASE {database} SET app.place = 'Köln'",
        )

        result = sets.restore(sets.of(database))

        assert result.problems() == []
        said = "shobj_description(oid, 'pg_database'), current_setting('app.place')"
        query = f"SELECT {said} FROM pg_database WHERE datname = current_database()"
        assert sets.rows(database, query) == [("über", "Köln")]

    def test_of_another_encoding_takes_the_place_of_one_with_a_subscription(
        self, sets: PostgresSets, postgres_server: PostgresServer, make_database: MakeDatabase
    ) -> None:
        database = make_database(options="ENCODING 'LATIN1'")
        subscribed = (
            "CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = s)"
        )
        execute(postgres_server, database, f'CREATE SUBSCRIPTION "über" {subscribed}')

        result = sets.restore(sets.of(database))

        assert result.verdict is Verdict.PASSED, result.problems()
        assert sets.rows(database, "SELECT subname FROM pg_subscription") == [("über",)]
        drop(target_of(postgres_server), database)

    def test_is_kept_from_nobody_by_names_that_are_no_utf_8(
        self, sets: PostgresSets, postgres_server: PostgresServer, make_database: MakeDatabase
    ) -> None:
        latin, database = make_database(options="ENCODING 'LATIN1'"), make_database()
        objects = sets.of(database)
        execute(postgres_server, latin, 'CREATE DATABASE "bücher"', 'CREATE ROLE "prüfer"')
        try:
            result = sets.restore(objects)
        finally:
            execute(postgres_server, latin, 'DROP DATABASE "bücher"', 'DROP ROLE "prüfer"')

        assert result.verdict is Verdict.PASSED, result.problems()

    def test_has_the_data_of_the_set(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)
        execute(postgres_server, database, LATER)

        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert bodies(sets, database) == {"then"}
        assert in_place(result) == [(Verdict.PASSED, f"Put in place: database {database}.")]

    def test_that_is_read_only_by_default_comes_back_and_can_be_replaced(
        self, public_dir: Path, postgres_server: PostgresServer, database: str
    ) -> None:
        sets = make_sets(public_dir / "sets-read-only", postgres_server)
        execute(
            postgres_server,
            database,
            "CREATE SUBSCRIPTION arriving CONNECTION 'host=nowhere.invalid' PUBLICATION p"
            " WITH (connect = false, slot_name = NONE)",
            f"ALTER DATABASE {database} SET default_transaction_read_only = on",
        )
        objects = sets.of(database, with_globals=True)

        assert drilled(sets, objects).problems() == []
        assert sets.restore(objects).problems() == []
        assert sets.restore(objects).problems() == []
        drop(target_of(postgres_server), database)

    def test_leaves_no_other_database_and_no_file(self, sets: PostgresSets, database: str) -> None:
        objects = sets.of(database)
        before = sets.databases()

        sets.restore(objects)

        assert sets.databases() == before
        assert list((sets.root / "scratch").iterdir()) == []

    def test_is_made_where_there_is_none(self, sets: PostgresSets, database: str) -> None:
        objects = sets.of(database)
        execute(sets.server, "postgres", f"DROP DATABASE {database}")

        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED
        assert bodies(sets, database) == {"then"}

    def test_can_have_another_name(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)
        execute(postgres_server, database, LATER)
        copy = f"{database}_copy"

        sets.restore(objects, databases=(database,), into=copy)

        seen = (bodies(sets, copy), bodies(sets, database))
        execute(postgres_server, "postgres", f"DROP DATABASE {copy}")
        assert seen == ({"then"}, {"now"})

    def test_has_its_owner_settings_grants_and_comment(
        self,
        sets: PostgresSets,
        postgres_server: PostgresServer,
        database: str,
        make_role: Any,
    ) -> None:
        role, _ = make_role(ending="\u2028 of a line")
        quoted = sql.Identifier(role).as_string()
        execute(
            postgres_server,
            "postgres",
            f"ALTER DATABASE {database} OWNER TO {quoted}",
            f"ALTER DATABASE {database} SET work_mem = '7MB'",
            f"ALTER ROLE {quoted} IN DATABASE {database} SET lock_timeout = '9s'",
            f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",
            f"COMMENT ON DATABASE {database} IS 'it''s; ours\nsince 2026'",
        )
        query = (
            "SELECT pg_get_userbyid(datdba), (SELECT array_agg(a::text ORDER BY a::text)"
            "  FROM unnest(datacl) a), shobj_description(d.oid, 'pg_database'),"
            " (SELECT array_agg(setconfig::text ORDER BY setrole) FROM pg_db_role_setting s"
            "  WHERE s.setdatabase = d.oid)"
            f" FROM pg_database d WHERE datname = '{database}'"
        )
        before = sets.rows("postgres", query)
        objects = sets.of(database)
        execute(postgres_server, "postgres", f"ALTER DATABASE {database} RESET ALL")

        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()
        after = sets.rows("postgres", query)
        execute(postgres_server, "postgres", f"ALTER DATABASE {database} OWNER TO postgres")
        assert after == before

    def test_replaces_one_that_is_in_use_all_the_time(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)
        execute(postgres_server, database, LATER)

        with a_busy_application(postgres_server, database):
            result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED
        assert bodies(sets, database) == {"then"}

    def test_may_have_names_and_definitions_that_are_no_utf_8(
        self, sets: PostgresSets, postgres_server: PostgresServer, make_database: MakeDatabase
    ) -> None:
        database = make_database(options="ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
        with postgres_server.connect(database) as connection:
            connection.execute("SET client_encoding = 'SQL_ASCII'")
            for statement in (
                b'CREATE TABLE "gr\xf6\xdfe" ("\xff" serial, v varchar(9)'
                b" CHECK (v IN ('\xe9', 'b')))",
                b"INSERT INTO \"gr\xf6\xdfe\" (v) VALUES ('\xe9')",
                b"COMMENT ON TABLE \"gr\xf6\xdfe\" IS '\xe4'",
            ):
                connection.execute(statement)
        objects = sets.of(database)

        whole, table = (
            sets.restore(objects),
            sets.restore(objects, tables=('public."gr\xf6\xdfe"',)),
        )

        assert whole.problems() == []
        assert table.problems() == []
        with postgres_server.connect(database) as connection:
            connection.execute("SET client_encoding = 'LATIN1'")
            assert connection.execute(
                'SELECT * FROM "gr\xf6\xdfe"'.encode("latin-1")
            ).fetchall() == [(1, "\xe9")]

    def test_can_be_the_maintenance_database(
        self, sets: PostgresSets, postgres_server: PostgresServer
    ) -> None:
        execute(postgres_server, "postgres", *NOTES)
        objects = sets.of("postgres")
        execute(postgres_server, "postgres", LATER)

        result = sets.restore(objects)

        seen = bodies(sets, "postgres")
        execute(postgres_server, "postgres", "DROP TABLE public.notes")
        assert (result.verdict, seen) == (Verdict.PASSED, {"then"})

    def test_leaves_the_old_one_under_another_name_if_that_is_wished(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)
        execute(postgres_server, database, LATER)

        sets.restore(objects, keep_old=True)

        (kept,) = (name for name in sets.databases() if name.startswith(f"{database}_before_"))
        seen = bodies(sets, kept)
        execute(postgres_server, "postgres", f'DROP DATABASE "{kept}"')
        assert seen == {"now"}


@contextmanager
def a_busy_application(server: PostgresServer, database: str) -> Iterator[None]:
    """Connects again as soon as it is thrown out."""
    stopped = threading.Event()

    def use() -> None:
        while not stopped.is_set():
            with suppress(psycopg.Error), server.connect(database) as connection:
                while not stopped.is_set():
                    connection.execute("SELECT count(*) FROM public.notes")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def row_short(facts: dict[str, Any]) -> None:
    facts["tables"][0]["rows"] += 1


def needs_a_newer_server(facts: dict[str, Any]) -> None:
    facts["server_major"] = 99


def needs_an_extension(facts: dict[str, Any]) -> None:
    facts["extensions"].append({"name": "no_such_extension", "version": "1"})


class TestWhatWasThereStays:
    def test_if_the_restored_data_is_not_the_same(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database, edit=row_short)
        execute(postgres_server, database, LATER)
        before = sets.databases()

        result = sets.restore(objects)

        assert result.verdict is Verdict.FAILED
        assert "public.notes" in str(result.problems())
        assert in_place(result)[0][0] is Verdict.FAILED
        assert bodies(sets, database) == {"now"}
        assert sets.databases() == before

    def test_unless_somebody_has_read_the_differences_and_wants_it(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database, edit=row_short)
        execute(postgres_server, database, LATER)
        first = sets.restore(objects)

        forced = sets.restore(objects, force=True)

        assert (first.unfinished, forced.unfinished) == ((database,), ())
        assert forced.verdict is Verdict.FAILED
        assert in_place(forced)[0][0] is Verdict.PASSED
        assert "despite 1 difference," in str(forced.findings)
        assert bodies(sets, database) == {"then"}

    @pytest.mark.parametrize(
        ("edit", "named"),
        [(needs_a_newer_server, "version 99"), (needs_an_extension, "no_such_extension")],
    )
    def test_if_the_server_cannot_hold_it(
        self,
        sets: PostgresSets,
        postgres_server: PostgresServer,
        database: str,
        edit: Any,
        named: str,
    ) -> None:
        objects = sets.of(database, edit=edit)
        execute(postgres_server, database, LATER)

        with pytest.raises(OnyxError, match=named):
            sets.restore(objects)
        assert bodies(sets, database) == {"now"}

    def test_if_the_role_may_not_create_databases(
        self, sets: PostgresSets, database: str, make_role: Any
    ) -> None:
        role, password = make_role()
        objects = sets.of(database)

        with pytest.raises(RestoreError, match="may not create databases") as raised:
            sets.restore(objects, target=target_of(sets.server, user=role, password=password))

        assert f'ALTER ROLE "{role}" CREATEDB' in raised.value.remedy

    def test_if_the_role_does_not_own_it(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str, make_role: Any
    ) -> None:
        role, password = make_role("CREATEDB")
        execute(
            postgres_server,
            database,
            f'ALTER TABLE public.notes OWNER TO "{role}"',
            f'ALTER SCHEMA public OWNER TO "{role}"',
        )
        objects = sets.of(database)
        execute(postgres_server, database, LATER)
        before = sets.databases()

        with pytest.raises(RestoreError, match=f"does not own the database {database}"):
            sets.restore(objects, target=target_of(sets.server, user=role, password=password))

        assert bodies(sets, database) == {"now"}
        assert sets.databases() == before

    def test_if_two_databases_would_get_one_name(
        self, sets: PostgresSets, database: str, make_database: MakeDatabase
    ) -> None:
        objects = sets.of(database, make_database())

        with pytest.raises(SettingsError, match="is for one database, and 2 are to be restored"):
            sets.restore(objects, into="both")

    def test_if_it_only_looks_like_one_of_ours(
        self, sets: PostgresSets, database: str, make_database: MakeDatabase
    ) -> None:
        theirs = make_database("onyx_restore_of_somebody_else")

        sets.restore(sets.of(database))

        assert theirs in sets.databases()


class TestRoles:
    def test_that_are_missing_are_created(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        execute(postgres_server, "postgres", "CREATE ROLE lost_one LOGIN PASSWORD 'x' CREATEDB")
        execute(postgres_server, database, "ALTER TABLE public.notes OWNER TO lost_one")
        objects = sets.of(database, with_globals=True)
        execute(postgres_server, "postgres", f"DROP DATABASE {database}", "DROP ROLE lost_one")

        result = sets.restore(objects, with_globals=True)

        owner = sets.rows(
            database, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'notes'"
        )
        rights = sets.rows("postgres", "SELECT rolcreatedb FROM pg_roles WHERE rolname='lost_one'")
        execute(postgres_server, database, "REASSIGN OWNED BY lost_one TO postgres")
        execute(postgres_server, "postgres", "DROP ROLE lost_one")
        assert result.verdict is Verdict.PASSED, result.problems()
        assert (owner, rights) == ([("lost_one",)], [(True,)])

    def test_that_are_there_keep_their_password(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str, make_role: Any
    ) -> None:
        role, _ = make_role()
        objects = sets.of(database, with_globals=True)
        query = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"
        execute(
            postgres_server,
            "postgres",
            f"ALTER ROLE {role} PASSWORD 'newer' VALID UNTIL '2027-01-01'",
        )
        newer = sets.rows("postgres", query)

        result = sets.restore(objects, with_globals=True)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert sets.rows("postgres", query) == newer


def test_what_is_taken_for_done_is_of_this_server_alone(sets: PostgresSets) -> None:
    """Of its address, and of the cluster that has it now."""
    [(identifier,)] = sets.rows("postgres", "SELECT system_identifier FROM pg_control_system()")

    identity = restoration(sets.of("postgres"), RestoreChoice(), sets.settings).identity

    assert str(sets.server.port) in identity
    assert str(identifier) in identity
