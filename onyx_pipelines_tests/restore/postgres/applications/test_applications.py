"""Databases of real applications, made by their own migrations: what is said of a backup of one is
what PostgreSQL's own tools say.

Dagster is here anyway; the others are installed on demand (about 750 MB): only if
ONYX_TEST_APPLICATIONS is set, as in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, find_binaries
from onyx_pipelines_tests.fixtures_postgres import execute
from onyx_pipelines_tests.restore.postgres.applications.filling import fill
from onyx_pipelines_tests.restore.postgres.applications.migrating import (
    APPLICATIONS,
    Application,
)
from onyx_pipelines_tests.restore.postgres.generated.judging import Move, wrong_verdicts

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(1800)]

ROLE = "applications_role"
CHOSEN = tuple(
    each for each in APPLICATIONS if each.is_installed or os.environ.get("ONYX_TEST_APPLICATIONS")
)


@dataclass(frozen=True)
class Migrated:
    """`empty`: tables that no row was found for, and why. `tables`: how many there are."""

    empty: list[str]
    tables: int


@pytest.fixture(scope="module")
def server(public_dir: Path) -> Iterator[PostgresServer]:
    with PostgresServer(public_dir / "applications") as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere(public_dir: Path) -> Iterator[PostgresServer]:
    with PostgresServer(public_dir / "applications-elsewhere") as server:
        yield server


@pytest.fixture(scope="module")
def migrated(server: PostgresServer, public_dir: Path) -> dict[str, Migrated]:
    """All of them in one server, each in a database of its own."""
    execute(server, "postgres", f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'")
    return {each.name: migrate(server, each, public_dir) for each in CHOSEN}


def migrate(server: PostgresServer, application: Application, root: Path) -> Migrated:
    name = application.name
    execute(server, "postgres", f"CREATE DATABASE {name} OWNER {ROLE}")
    directory = root / f"application-{name}"
    directory.mkdir()
    url = f"postgresql://{ROLE}:secret@{server.host}:{server.port}/{name}"
    application.migrate(application.environment(), url, directory)
    with server.connect(name) as connection:
        empty = fill(connection)
        ((tables,),) = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
        ).fetchall()
    return Migrated(empty, tables)


@pytest.fixture(scope="module")
def wrong(
    migrated: dict[str, Migrated],
    server: PostgresServer,
    elsewhere: PostgresServer,
    public_dir: Path,
) -> dict[str, list[str]]:
    programs = find_binaries(0, programs=("psql", *SERVER_PROGRAMS))
    move = Move(server, elsewhere, programs, programs)
    return wrong_verdicts(move, list(migrated), public_dir / "application-sets", f"^{ROLE}$")


@pytest.mark.parametrize("application", CHOSEN, ids=lambda each: each.name)
def test_its_migrations_made_tables_and_nearly_all_have_rows(
    migrated: dict[str, Migrated], application: Application
) -> None:
    made = migrated[application.name]

    assert made.tables >= application.least_tables
    assert len(made.empty) <= made.tables / 10, made.empty


@pytest.mark.parametrize("application", CHOSEN, ids=lambda each: each.name)
def test_what_is_said_of_it_is_true(wrong: dict[str, list[str]], application: Application) -> None:
    assert wrong.get(application.name, []) == []


def test_the_role_that_owns_them_comes_back(wrong: dict[str, list[str]]) -> None:
    assert wrong.get("globals", []) == []


@pytest.mark.skipif(
    len(CHOSEN) < len(APPLICATIONS),
    reason="ONYX_TEST_APPLICATIONS is not set: only Dagster's database was made",
)
def test_all_applications_were_tried(migrated: dict[str, Migrated]) -> None:
    assert set(migrated) == {each.name for each in APPLICATIONS}
