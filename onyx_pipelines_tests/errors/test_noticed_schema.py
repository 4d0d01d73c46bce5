"""A migration that nobody notes, in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.errors.noticed_schema import changed, notice_schemas
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.stack import Sandbox

DATABASE = "with_migrations"


@pytest.fixture(scope="module")
def postgres(sandbox: Sandbox) -> Iterator[PostgresServer]:
    """With a database of these tests, in which each begins with the same table."""
    with sandbox.postgres.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    yield sandbox.postgres
    with sandbox.postgres.connect() as connection:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(DATABASE)))


def execute(postgres: PostgresServer, *statements: str) -> None:
    with postgres.connect(DATABASE) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def settings(tmp_path: Path, postgres: PostgresServer) -> Settings:
    """Of a host whose relay has seen that database."""
    execute(
        postgres,
        "DROP TABLE IF EXISTS documents",
        "CREATE TABLE documents (id int PRIMARY KEY, title text)",
    )
    found = load_settings(
        {
            "state_dir": tmp_path,
            "pg_host": postgres.host,
            "pg_port": postgres.port,
            "pg_user": postgres.user,
            "pg_password": postgres.password,
            "pg_databases": DATABASE,
        }
    )
    assert notice_schemas(found) == []
    return found


@pytest.mark.parametrize(
    ("migration", "names"),
    [
        ("ALTER TABLE documents ADD COLUMN boost real", "public.documents"),
        ("ALTER TABLE documents ALTER COLUMN title TYPE varchar(80)", "public.documents"),
        ("ALTER TABLE documents ALTER COLUMN title SET NOT NULL", "public.documents"),
        ("CREATE INDEX ix_title ON documents (title)", "public.ix_title"),
        ("DROP TABLE documents", "public.documents, public.documents_pkey"),
    ],
)
def test_a_migration_is_noticed_once_by_what_it_changes(
    settings: Settings, postgres: PostgresServer, migration: str, names: str
) -> None:
    execute(postgres, migration)

    assert notice_schemas(settings) == [f"{DATABASE}: {names}"]
    assert notice_schemas(settings) == []


def test_rows_are_no_schema(settings: Settings, postgres: PostgresServer) -> None:
    execute(postgres, "INSERT INTO documents VALUES (1, 'x')", "ANALYZE")

    assert notice_schemas(settings) == []


def test_every_database_that_is_backed_up_is_looked_at(settings: Settings) -> None:
    everything = settings.model_copy(update={"pg_databases": ("*",)})

    assert notice_schemas(everything) == []
    assert DATABASE in (settings.state_dir / "errors/relay/schemas.json").read_text()


def test_of_many_relations_the_first_are_named() -> None:
    now = {f"public.t{number}": "b" for number in range(6)}
    before = dict.fromkeys(now, "a")

    assert changed({"onyx": before}, {"onyx": now}) == [
        "onyx: public.t0, public.t1, public.t2, public.t3 and 2 more"
    ]


def test_a_database_that_was_not_there_before_has_not_changed() -> None:
    assert changed({}, {"onyx": {"public.t": "a"}}) == []


def test_without_a_postgresql_there_is_nothing_to_notice(tmp_path: Path) -> None:
    assert notice_schemas(load_settings({"state_dir": tmp_path})) == []
