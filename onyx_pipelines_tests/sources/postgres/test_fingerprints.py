"""A fingerprint depends on every value, and on nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.facts import TableFacts, sample_modulus
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    dump_in,
    execute,
    facts_in,
    facts_now,
    restore,
    source_of,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

_MESSAGES = (
    "CREATE TABLE public.notes (id int PRIMARY KEY, body text, stars int)",
    "INSERT INTO public.notes SELECT i, 'note ' || i, i % 5 FROM generate_series(1, 1000) i",
)
_KINDS = (
    "CREATE TYPE public.mood AS ENUM ('calm', 'alert')",
    "CREATE DOMAIN public.share AS numeric CHECK (VALUE <= 1)",
    "CREATE TYPE public.place AS (mood public.mood, floor int)",
    "CREATE TABLE public.moods (mood public.mood, moods public.mood[], place public.place,"
    " share public.share)",
    "INSERT INTO public.moods VALUES ('alert', '{calm,alert}', '(alert,3)', 0.50), (NULL, NULL,"
    " NULL, NULL)",
    "CREATE TABLE public.columnless ()",
    "INSERT INTO public.columnless DEFAULT VALUES",
    "CREATE TABLE public.kinds (id serial PRIMARY KEY, f8 float8, f4 float4, at timestamptz,"
    " day date, span interval, raw bytea, doc jsonb, old json, words text[], price numeric,"
    " page xml, who uuid, address inet, hidden text)",
    """INSERT INTO public.kinds (f8, f4, at, day, span, raw, doc, old, words, price, page, who,
    address) VALUES (0.1 + 0.2, 1.1, '2026-03-29 02:30:00+02', '0044-03-15 BC', '1 mon -3 days
    04:05:06.789', '\\x00ff10', '{"b": [1, null], "a": "é"}', '{ "z" :1}',
    ARRAY['a,b', NULL, ''], 12345678901234567890.123456789, '<a>b</a>',
    '00000000-0000-0000-0000-000000000001', '::1/64')""",
    "INSERT INTO public.kinds (f8, f4, price) VALUES ('NaN', '-infinity', 'NaN'), (-0.0, 1e-40, 0)",
    "INSERT INTO public.kinds DEFAULT VALUES",
)


def _table(server: PostgresServer, database: str, name: str) -> TableFacts:
    return next(table for table in facts_now(server, database).tables if table.name == name)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE public.notes SET body = 'note 5OO' WHERE id = 500",
        "UPDATE public.notes SET stars = NULL WHERE id = 500",
        "UPDATE public.notes SET body = body || ' ' WHERE id = 500",
        "UPDATE public.notes SET stars = CASE id WHEN 1 THEN 2 ELSE 1 END WHERE id IN (1, 2)",
        "INSERT INTO public.notes VALUES (1001, NULL, NULL)",
        "DELETE FROM public.notes WHERE id = 1000",
    ],
)
def test_one_change_changes_the_fingerprint(
    postgres_server: PostgresServer, make_database: MakeDatabase, change: str
) -> None:
    database = make_database()
    execute(postgres_server, database, *_MESSAGES)
    before = _table(postgres_server, database, "public.notes")

    execute(postgres_server, database, change)

    assert _table(postgres_server, database, "public.notes").fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("numeric", "1.0", "1.00"),
        ("float8", "0", "-0"),
        ("jsonb", '{"a": 1.0}', '{"a": 1.00}'),
        ("interval", "1 day", "24 hours"),
        ("char(3)[]", "{a}", "{b}"),
    ],
)
def test_a_value_that_is_only_equal_is_not_the_same(
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    kind: str,
    before: str,
    after: str,
) -> None:
    database = make_database()
    execute(
        postgres_server,
        database,
        f"CREATE TABLE public.one (value {kind})",
        f"INSERT INTO public.one VALUES ('{before}')",
    )
    first = _table(postgres_server, database, "public.one")

    execute(postgres_server, database, f"UPDATE public.one SET value = '{after}'")

    assert _table(postgres_server, database, "public.one").fingerprint != first.fingerprint


_WRITTEN_CASTS = (
    "CREATE TYPE public.degrees AS (n float8, unit text)",
    "CREATE DOMAIN public.warm AS public.degrees",
    "CREATE FUNCTION public.said() RETURNS text LANGUAGE sql AS $$ SELECT 'warm' $$",
    "CREATE FUNCTION public.as_text(public.degrees) RETURNS text LANGUAGE plpgsql"
    " AS 'BEGIN RETURN said(); END'",
    "CREATE CAST (public.degrees AS text) WITH FUNCTION public.as_text(public.degrees)",
    "CREATE TABLE public.one (a public.degrees, b public.warm)",
    "INSERT INTO public.one VALUES (ROW(1, 'C'), ROW(2, 'C'))",
)


@pytest.mark.parametrize("change", ["a = ROW(3, 'C')", "b = ROW(3, 'C')", "b = NULL"])
def test_a_cast_to_text_that_somebody_wrote_hides_nothing_and_is_not_called(
    postgres_server: PostgresServer, make_database: MakeDatabase, change: str
) -> None:
    database = make_database()
    execute(postgres_server, database, *_WRITTEN_CASTS)
    before = _table(postgres_server, database, "public.one")

    execute(postgres_server, database, f"UPDATE public.one SET {change}")

    assert _table(postgres_server, database, "public.one").fingerprint != before.fingerprint


def test_a_copy_is_read_by_the_method_of_the_original(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(postgres_server, database, *_MESSAGES)
    facts = facts_now(postgres_server, database)
    (table,) = facts.tables
    by_text = facts.model_copy(
        update={"tables": (table.model_copy(update={"fingerprint_method": "text"}),)}
    )

    (again,) = facts_now(postgres_server, database, like=by_text).tables
    (same,) = facts_now(postgres_server, database, like=facts).tables

    assert (table.fingerprint_method, again.fingerprint_method) == (
        "named columns",
        "text",
    )
    assert again.fingerprint != table.fingerprint == same.fingerprint


def test_a_row_twice_is_not_a_row_never(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(postgres_server, database, "CREATE TABLE public.bag (word text)")
    empty = _table(postgres_server, database, "public.bag")

    execute(postgres_server, database, "INSERT INTO public.bag VALUES ('same'), ('same')")

    twice = _table(postgres_server, database, "public.bag")
    assert (empty.rows, empty.fingerprint) == (0, "0")
    assert (twice.rows, twice.fingerprint == "0") == (2, False)


def test_order_and_physical_layout_do_not_matter(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(postgres_server, database, *_MESSAGES)
    before = _table(postgres_server, database, "public.notes")

    execute(
        postgres_server,
        database,
        "UPDATE public.notes SET stars = stars",
        "CREATE INDEX by_body ON public.notes (body DESC)",
        "CLUSTER public.notes USING by_body",
        "ALTER TABLE public.notes ADD COLUMN gone int DEFAULT 3",
        "ALTER TABLE public.notes DROP COLUMN gone",
        "VACUUM FULL public.notes",
    )

    after = _table(postgres_server, database, "public.notes")
    assert (after.rows, after.fingerprint) == (before.rows, before.fingerprint)


def test_server_settings_do_not_matter(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(postgres_server, database, *_KINDS)
    before = _table(postgres_server, database, "public.kinds")

    settings = {
        "datestyle": "'German, DMY'",
        "intervalstyle": "'sql_standard'",
        "timezone": "'Asia/Kathmandu'",
        "extra_float_digits": "-5",
        "bytea_output": "'escape'",
        "search_path": "public",
        "standard_conforming_strings": "off",
    }
    execute(
        postgres_server,
        database,
        *(f"ALTER DATABASE {database} SET {name} = {value}" for name, value in settings.items()),
    )

    assert _table(postgres_server, database, "public.kinds") == before


def test_a_restored_copy_of_every_kind_of_value_has_the_same_fingerprint(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database, copy = make_database(), make_database()
    execute(postgres_server, database, *_KINDS)
    execute(postgres_server, database, f"ALTER DATABASE {copy} SET timezone = 'Asia/Kathmandu'")
    sink = RecordingSink()
    source_of(postgres_server, database).back_up(sink, silent)

    restore(postgres_server, dump_in(sink, database), copy)

    facts = facts_in(sink, database)
    assert [table.fingerprint for table in facts.tables] == [
        table.fingerprint for table in facts_now(postgres_server, copy, like=facts).tables
    ]


def test_a_sample_is_the_same_on_a_restored_copy_of_another_size(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database, copy = make_database(), make_database()
    execute(postgres_server, database, *_MESSAGES, "UPDATE public.notes SET stars = stars + 1")
    sink = RecordingSink()
    report = source_of(postgres_server, database, fingerprint_max_bytes=20_000).back_up(
        sink, silent
    )
    restore(postgres_server, dump_in(sink, database), copy)

    (sampled,) = facts_in(sink, database).tables
    facts = facts_in(sink, database)
    (restored,) = facts_now(postgres_server, copy, like=facts).tables
    (whole,) = facts_now(postgres_server, copy).tables
    assert sampled.sample_modulus > 1
    assert sampled.size_bytes != restored.size_bytes
    assert sampled.rows == restored.rows == 1000
    assert sampled.fingerprint == restored.fingerprint
    assert sampled.fingerprint not in (None, "0", whole.fingerprint)
    assert report.summary["sampled_tables_count"] == 1


def test_a_big_table_without_a_primary_key_is_only_counted(
    postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    database = make_database()
    execute(
        postgres_server,
        database,
        "CREATE TABLE public.log AS SELECT i FROM generate_series(1, 3000) i",
    )
    sink = RecordingSink()
    report = source_of(postgres_server, database, fingerprint_max_bytes=1000).back_up(sink, silent)

    (table,) = facts_in(sink, database).tables
    assert (table.rows, table.fingerprint) == (3000, None)
    (again,) = facts_now(postgres_server, database, like=facts_in(sink, database)).tables
    assert again.fingerprint is None
    assert report.summary["sampled_tables_count"] == 1


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_a_sample_modulus_is_a_power_of_two_and_samples_no_more_than_the_limit(
    size_bytes: int, limit_bytes: int
) -> None:
    modulus = sample_modulus(size_bytes, limit_bytes)

    assert modulus & (modulus - 1) == 0
    assert (modulus == 1) == (size_bytes <= limit_bytes) or limit_bytes == 0
    assert modulus == 2**20 or size_bytes <= modulus * max(limit_bytes, 1)
