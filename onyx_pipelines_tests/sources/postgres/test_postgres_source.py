"""What a backup of PostgreSQL holds, for databases of every shape and name."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest
from psycopg import sql

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Progress, silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts
from onyx_pipelines.sources.postgres.target import postgres_errors
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    dump_in,
    execute,
    facts_in,
    facts_now,
    restore,
    source_of,
    target_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.waiting import wait_until

AWKWARD_NAMES = (
    "two words",
    'a "quoted" name',
    "it's",
    "dbname=postgres host=elsewhere",
    "Füße 日本",
    "line\nbreak",
    "100%s {x} %I",
    "-d",
    "postgresql://elsewhere",
    "back\\slash",
)


def _back_up_and_restore(
    server: PostgresServer, database: str, copy: str
) -> tuple[DatabaseFacts, DatabaseFacts]:
    """The facts of the backup and of a restored copy."""
    sink = RecordingSink()
    source_of(server, database).back_up(sink, silent)
    restore(server, dump_in(sink, database), copy)
    facts = facts_in(sink, database)
    return facts, facts_now(server, copy, like=facts)


def _content(facts: DatabaseFacts) -> list[tuple[str, int, str | None]]:
    return [(table.name, table.rows, table.fingerprint) for table in facts.tables]


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_awkward_names_of_databases_schemas_tables_and_columns_survive(
    postgres_server: PostgresServer, make_database: MakeDatabase, name: str
) -> None:
    database, copy = make_database(name), make_database()
    identifier = sql.Identifier(name)
    with postgres_server.connect(database) as connection:
        for statement in (
            "CREATE SCHEMA {0}",
            "CREATE TABLE {0}.{0} ({0} text PRIMARY KEY, id serial)",
            "INSERT INTO {0}.{0} VALUES ('one'), ('two')",
            "CREATE VIEW {0}.view AS SELECT {0} FROM {0}.{0}",
        ):
            connection.execute(sql.SQL(statement).format(identifier))

    facts, restored = _back_up_and_restore(postgres_server, database, copy)

    assert facts.database == name
    assert facts.rows == 2
    assert _content(facts) == _content(restored)
    assert facts.schema_items == restored.schema_items
    assert facts.sequences == restored.sequences


@pytest.mark.parametrize("name", ["a=b", "it's", "two words"])
def test_a_maintenance_database_with_an_awkward_name_gives_the_globals(
    postgres_server: PostgresServer, make_database: MakeDatabase, name: str
) -> None:
    maintenance = make_database(name)
    sink = RecordingSink()

    source_of(
        postgres_server, "litellm", maintenance_database=maintenance, with_globals=True
    ).back_up(sink, silent)

    assert b"CREATE ROLE onyx_app" in sink.objects["postgresql/globals.sql"].data


def test_an_empty_database_is_a_backup_without_tables(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database, copy = make_database(), make_database()

    facts, restored = _back_up_and_restore(postgres_server, database, copy)

    assert facts.tables == ()
    assert facts.sequences == ()
    assert facts.schema_items == restored.schema_items


def test_every_kind_of_relation_is_in_the_dump_and_in_the_facts(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database, copy = make_database(), make_database()
    execute(
        postgres_server,
        database,
        "CREATE TABLE public.events (day date NOT NULL, n int) PARTITION BY RANGE (day)",
        "CREATE TABLE public.events_2026 PARTITION OF public.events"
        " FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "CREATE TABLE public.events_rest PARTITION OF public.events DEFAULT",
        "INSERT INTO public.events SELECT date '2026-12-30' + i, i FROM generate_series(0, 9) i",
        "CREATE UNLOGGED TABLE public.scratch AS SELECT 7 AS seven",
        "CREATE TABLE public.parent (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2)"
        " STORED)",
        "CREATE TABLE public.child (id int REFERENCES public.parent DEFERRABLE)",
        "INSERT INTO public.parent VALUES (1), (2)",
        "INSERT INTO public.child VALUES (1), (2)",
        "CREATE TABLE public.heir (extra int) INHERITS (public.child)",
        "INSERT INTO public.heir VALUES (1, 1)",
        "CREATE MATERIALIZED VIEW public.totals AS SELECT count(*) FROM public.events",
        "CREATE TABLE public.guarded (id int)",
        "ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.guarded FORCE ROW LEVEL SECURITY",
        "CREATE POLICY nobody ON public.guarded USING (false)",
        "INSERT INTO public.guarded VALUES (1)",
        "CREATE DOMAIN public.positive AS int CHECK (VALUE > 0)",
        "CREATE TYPE public.pair AS (left_one int, right_one text)",
        "CREATE TABLE public.typed (number public.positive, both_ones public.pair)",
        "INSERT INTO public.typed VALUES (3, ROW(1, 'a'))",
        "CREATE TABLE public.nothing ()",
        "SELECT lo_from_bytea(0, decode(repeat('ab', 3000), 'hex')) FROM generate_series(1, 3)",
    )

    facts, restored = _back_up_and_restore(postgres_server, database, copy)

    rows = {table.name: table.rows for table in facts.tables}
    assert rows == {
        "public.child": 2,
        "public.events_2026": 2,
        "public.events_rest": 8,
        "public.guarded": 1,
        "public.heir": 1,
        "public.nothing": 0,
        "public.parent": 2,
        "public.scratch": 1,
        "public.typed": 1,
    }
    assert facts.large_objects == restored.large_objects == 3
    assert _content(facts) == _content(restored)
    assert facts.schema_items == restored.schema_items


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("ALTER TABLE app.users ALTER COLUMN display_name DROP NOT NULL", "column"),
        ("ALTER TABLE app.users ENABLE ROW LEVEL SECURITY", "table"),
        ("DROP INDEX app.messages_by_session", "index"),
        ("ALTER TABLE app.messages DROP CONSTRAINT messages_tokens_check", "constraint"),
        ("DROP VIEW app.recent_messages", "view"),
        ("ALTER TYPE app.role ADD VALUE 'system'", "type"),
        (
            "CREATE OR REPLACE FUNCTION app.message_count(bigint) RETURNS bigint LANGUAGE sql"
            " AS 'SELECT 0::bigint'",
            "function",
        ),
        (
            "CREATE TRIGGER same BEFORE UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION"
            " suppress_redundant_updates_trigger()",
            "trigger",
        ),
        ("CREATE POLICY all_of_it ON app.users USING (true)", "policy"),
        ("CREATE SCHEMA other", "schema"),
        ("CREATE SEQUENCE app.other", "sequence"),
    ],
)
def test_a_changed_schema_has_other_facts(
    postgres_server: PostgresServer, make_database: MakeDatabase, statement: str, kind: str
) -> None:
    database = make_database(template="onyx")
    before = facts_now(postgres_server, database)

    execute(postgres_server, database, statement)

    after = facts_now(postgres_server, database)
    changed = set(before.schema_items) ^ set(after.schema_items)
    assert kind in {item.kind for item in changed}


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_databases_of_another_encoding_are_read_and_restored(
    postgres_server: PostgresServer, make_database: MakeDatabase, encoding: str
) -> None:
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    database, copy = make_database(options=options), make_database(options=options)
    execute(
        postgres_server,
        database,
        "SET client_encoding = 'UTF8'",
        "CREATE TABLE public.words (word text)",
        "INSERT INTO public.words VALUES ('plain'), ('\u00d7')",
    )

    facts, restored = _back_up_and_restore(postgres_server, database, copy)

    assert facts.encoding == encoding
    assert _content(facts) == _content(restored)
    assert facts.schema_items == restored.schema_items


def test_several_databases_the_globals_and_the_facts_are_objects_of_their_own(
    postgres_server: PostgresServer,
) -> None:
    sink = RecordingSink()

    report = source_of(postgres_server, "onyx", "litellm", "onyx", with_globals=True).back_up(
        sink, silent
    )

    assert set(sink.objects) == {
        "postgresql/globals.sql",
        "facts/postgresql/globals.json",
        "postgresql/onyx.dump",
        "facts/postgresql/db-onyx.json",
        "postgresql/litellm.dump",
        "facts/postgresql/db-litellm.json",
    }
    assert dump_in(sink, "onyx").startswith(b"PGDMP")
    assert report.status is ComponentStatus.COMPLETED
    assert report.warnings == ()
    assert report.summary["tables_count"] == 5
    assert report.summary["databases_count"] == 2
    assert report.summary["rows_count"] == facts_in(sink, "onyx").rows + 400
    assert set(report.versions) == {"postgresql", "pg_dump"}


def test_a_star_is_every_database_that_allows_connections(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    closed, half_dropped = make_database("test_closed"), make_database("test_half_dropped")
    execute(
        postgres_server,
        "postgres",
        f"ALTER DATABASE {closed} ALLOW_CONNECTIONS false",
        # As an interrupted DROP DATABASE leaves it.
        f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{half_dropped}'",
    )

    said = source_of(postgres_server, "*").describe()

    assert "databases litellm, onyx, postgres, pg_dump" in said
    assert said.endswith(
        "left out: database test_closed, since it allows no connections,"
        " database test_half_dropped, since a DROP DATABASE of it was interrupted"
    )


@pytest.fixture
def foreign_name(postgres_server: PostgresServer, make_database: MakeDatabase) -> Iterator[str]:
    """A database that was created from one of another encoding: its name is no UTF-8."""
    latin = make_database(options="ENCODING 'LATIN1'")
    execute(postgres_server, latin, 'CREATE DATABASE "bücher"')
    yield r"b\xfccher"
    execute(postgres_server, latin, 'DROP DATABASE "bücher"')


def test_a_database_whose_name_is_no_utf_8_is_named_and_keeps_no_other_from_a_backup(
    postgres_server: PostgresServer, foreign_name: str
) -> None:
    sink = RecordingSink()

    report = source_of(postgres_server, "*").back_up(sink, silent)

    assert "onyx" in facts_in(sink, "onyx").database
    [said] = [each for each in report.warnings if foreign_name in each]
    assert "its name is not in UTF-8 (rename it from a database of its encoding)" in said


def test_a_name_that_is_no_utf_8_is_one_clear_error(
    postgres_server: PostgresServer, foreign_name: str
) -> None:
    target = target_of(postgres_server)

    with (
        pytest.raises(SourceError) as caught,
        target.connect("postgres") as connection,
        postgres_errors(target, "postgres"),
    ):
        connection.execute("SELECT datname FROM pg_database").fetchall()

    assert caught.value.what.endswith(f"the name '{foreign_name}' is not in UTF-8.")
    assert "rename it" in caught.value.remedy


def test_a_database_that_gives_everybody_another_role_is_read_as_who_logged_in(
    postgres_server: PostgresServer, make_database: MakeDatabase, make_role: Any
) -> None:
    database, (other, _) = make_database(), make_role()
    execute(
        postgres_server,
        database,
        "CREATE TABLE public.ours AS SELECT 1 AS i",
        f"ALTER DATABASE {database} SET role = {other}",
    )
    sink = RecordingSink()

    source_of(postgres_server, database).back_up(sink, silent)

    assert facts_in(sink, database).rows == 1


def test_the_globals_hold_roles_and_their_memberships(postgres_server: PostgresServer) -> None:
    sink = RecordingSink()

    source_of(postgres_server, "litellm", with_globals=True).back_up(sink, silent)

    script = sink.objects["postgresql/globals.sql"].data
    facts = GlobalsFacts.model_validate_json(sink.objects["facts/postgresql/globals.json"].data)
    roles = {role.name: role for role in facts.roles}
    assert b"GRANT onyx_reader TO onyx_app" in script
    assert b"SCRAM-SHA-256" in script
    assert roles["onyx_app"].member_of == ("onyx_reader",)
    assert (roles["postgres"].superuser, roles["onyx_reader"].can_login) == (True, False)
    assert facts.with_passwords


def test_a_role_that_may_not_read_passwords_gets_the_globals_without_them_and_a_warning(
    postgres_server: PostgresServer, make_database: MakeDatabase, make_role: Any
) -> None:
    database = make_database(template="litellm")
    user, password = make_role()
    execute(postgres_server, database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    target = target_of(postgres_server, user=user, password=password)
    sink = RecordingSink()

    report = source_of(postgres_server, database, target=target, with_globals=True).back_up(
        sink, silent
    )

    script = sink.objects["postgresql/globals.sql"].data
    facts = GlobalsFacts.model_validate_json(sink.objects["facts/postgresql/globals.json"].data)
    assert report.status is ComponentStatus.COMPLETED_WITH_WARNINGS
    assert "without their passwords" in report.warnings[0]
    assert b"CREATE ROLE onyx_app" in script
    assert b"SCRAM-SHA-256" not in script
    assert not facts.with_passwords
    assert facts_in(sink, database).rows == 400


def test_progress_counts_the_bytes_of_each_dump_and_ends(
    postgres_server: PostgresServer,
) -> None:
    reports: list[Progress] = []
    sink = RecordingSink()

    source_of(postgres_server, "onyx").back_up(sink, reports.append)

    last = reports[-1]
    assert (last.component, last.item, last.finished) == ("postgresql", "onyx", True)
    assert last.done_bytes == len(dump_in(sink, "onyx"))
    assert (last.total_bytes or 0) > 1_000_000


def test_a_database_of_another_encoding_is_called_what_it_is_called(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database("Füße", options="ENCODING 'LATIN1' LOCALE 'C'")
    sink = RecordingSink()

    source_of(postgres_server, database).back_up(sink, silent)

    assert facts_in(sink, database).database == "Füße"


def test_timeouts_of_the_server_do_not_end_a_backup(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    """It waits for a lock, and for a slow store, for longer than each of them."""
    database = make_database()
    execute(
        postgres_server,
        database,
        "CREATE TABLE public.long AS SELECT repeat(md5(i::text), 32000) AS text"
        " FROM generate_series(1, 20) i",
        *(
            f"ALTER DATABASE {database} SET {name} = '1s'"
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
        ),
    )
    slow_writes = iter([None])
    sink = RecordingSink(lambda path: [sleep(1.5) for _ in slow_writes if path.endswith(".dump")])

    with target_of(postgres_server).connect(database) as writer, ThreadPoolExecutor() as pool:
        writer.execute("BEGIN; LOCK TABLE public.long")
        backup = pool.submit(source_of(postgres_server, database).back_up, sink, silent)
        wait_until(lambda: _waits_for_a_lock(postgres_server, database), "a lock is waited for")
        sleep(1.5)
        writer.execute("COMMIT")
        backup.result()

    assert facts_in(sink, database).rows == 20
    assert len(dump_in(sink, database)) > 20_000_000


def _waits_for_a_lock(server: PostgresServer, database: str) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    with server.connect() as connection:
        return connection.execute(query, (database,)).fetchone() is not None
