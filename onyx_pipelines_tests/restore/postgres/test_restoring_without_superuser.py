"""A role that is no superuser restores what it owns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines_tests.fixtures_postgres import MakeDatabase, execute, target_of
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

LATER = "UPDATE public.notes SET body = 'now'"


@pytest.fixture
def database(postgres_server: PostgresServer, make_database: MakeDatabase) -> str:
    name = make_database()
    made = "CREATE TABLE public.notes AS SELECT i, 'then' AS body FROM generate_series(1, 100) i"
    execute(postgres_server, name, made)
    return name


def bodies(sets: PostgresSets, database: str) -> set[str]:
    return {body for (body,) in sets.rows(database, "SELECT DISTINCT body FROM notes")}


@pytest.fixture
def owner(
    postgres_server: PostgresServer, database: str, make_role: Any
) -> Iterator[PostgresTarget]:
    """Of the database and of what is in it."""
    role, password = make_role("CREATEDB")
    execute(
        postgres_server,
        database,
        f"ALTER DATABASE {database} OWNER TO {role}",
        f"ALTER TABLE public.notes OWNER TO {role}",
        f"ALTER SCHEMA public OWNER TO {role}",
    )
    yield target_of(postgres_server, user=role, password=password)
    execute(postgres_server, "postgres", f"ALTER DATABASE {database} OWNER TO CURRENT_USER")


def test_it_replaces_its_own_database_with_roles_and_all(
    sets: PostgresSets, postgres_server: PostgresServer, database: str, owner: PostgresTarget
) -> None:
    objects = sets.of(database, with_globals=True)
    execute(postgres_server, database, LATER)

    result = sets.restore(objects, target=owner, with_globals=True)

    assert result.verdict is Verdict.PASSED, result.problems()
    assert bodies(sets, database) == {"then"}


def test_it_gets_single_tables_back(
    sets: PostgresSets, postgres_server: PostgresServer, database: str, owner: PostgresTarget
) -> None:
    objects = sets.of(database)
    execute(postgres_server, database, LATER)

    result = sets.restore(objects, target=owner, tables=("public.notes",))

    assert result.verdict is Verdict.PASSED, result.problems()
    assert bodies(sets, database) == {"then"}
