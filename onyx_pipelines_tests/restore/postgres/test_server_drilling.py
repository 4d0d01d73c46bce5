"""A drill on a server named for it: never the source, under names of its own, nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.postgres.drilling import drill
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import MakeDatabase, execute
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets, work_on

NOTES = (
    "CREATE TABLE public.notes (id serial PRIMARY KEY, body text)",
    "INSERT INTO public.notes (body) SELECT 'then ' || i FROM generate_series(1, 100) i",
)


@pytest.fixture(scope="module")
def drill_server(public_dir: Path) -> Iterator[PostgresServer]:
    """Another cluster than the source."""
    with PostgresServer(public_dir / "drills") as server:
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer, make_database: MakeDatabase) -> str:
    name = make_database()
    execute(postgres_server, name, *NOTES)
    return name


def databases_of(server: PostgresServer) -> set[str]:
    with server.connect() as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def drilled_on(
    sets: PostgresSets, server: PostgresServer, objects: Any, **settings: Any
) -> ComponentResult:
    changed = sets.settings.model_copy(
        update={
            "drill_pg_host": server.host,
            "drill_pg_port": server.port,
            "drill_pg_user": server.user,
            "drill_pg_password": SecretStr(server.password),
            **settings,
        }
    )
    return drill(work_on(objects, changed))


def test_passes_and_leaves_nothing_there(
    sets: PostgresSets, drill_server: PostgresServer, database: str
) -> None:
    before = databases_of(drill_server)

    result = drilled_on(sets, drill_server, sets.of(database))

    assert result.verdict is Verdict.PASSED, result.problems()
    assert databases_of(drill_server) == before
    assert list((sets.root / "scratch").iterdir()) == []


def test_leaves_a_database_of_the_same_name_alone(
    sets: PostgresSets, drill_server: PostgresServer, database: str
) -> None:
    execute(drill_server, "postgres", f"CREATE DATABASE {database}")
    execute(drill_server, database, "CREATE TABLE theirs AS SELECT 1 AS one")

    drilled_on(sets, drill_server, sets.of(database))

    with drill_server.connect(database) as connection:
        assert connection.execute("SELECT one FROM theirs").fetchall() == [(1,)]


def test_owners_and_grants_need_no_roles_there(
    sets: PostgresSets,
    drill_server: PostgresServer,
    postgres_server: PostgresServer,
    database: str,
    make_role: Any,
) -> None:
    role, _ = make_role()
    execute(postgres_server, database, f"ALTER TABLE notes OWNER TO {role}")

    result = drilled_on(sets, drill_server, sets.of(database, with_globals=True))

    assert result.verdict is Verdict.PASSED, result.problems()
    with drill_server.connect() as connection:
        roles = connection.execute("SELECT rolname FROM pg_roles").fetchall()
    assert (role,) not in roles


def test_a_policy_for_a_role_that_is_not_there_could_not_be_verified(
    sets: PostgresSets,
    drill_server: PostgresServer,
    postgres_server: PostgresServer,
    database: str,
    make_role: Any,
) -> None:
    role, _ = make_role()
    execute(postgres_server, database, f"CREATE POLICY p ON notes TO {role} USING (true)")

    result = drilled_on(sets, drill_server, sets.of(database))

    assert result.verdict is Verdict.COULD_NOT_VERIFY
    assert f"lacks the role {role}" in result.problems()[0].message


def test_names_what_is_missing(
    sets: PostgresSets, drill_server: PostgresServer, database: str
) -> None:
    def one_row_more(facts: dict[str, Any]) -> None:
        facts["tables"][0]["rows"] += 1

    result = drilled_on(sets, drill_server, sets.of(database, edit=one_row_more))

    assert [(f.verdict, f.item, f.expected, f.found) for f in result.problems()] == [
        (Verdict.FAILED, database, "101 rows", "100 rows")
    ]


class TestRefusesBeforeItTouchesAnything:
    def test_the_source(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)
        before = databases_of(postgres_server)

        with pytest.raises(RestoreError, match="is the one that is backed up"):
            drilled_on(sets, postgres_server, objects)

        assert databases_of(postgres_server) == before

    def test_the_source_under_another_name(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)

        with pytest.raises(RestoreError, match="is the one that is backed up"):
            drilled_on(sets, postgres_server, objects, drill_pg_host="localhost")

    def test_the_server_that_a_set_came_from_before_a_move(
        self, sets: PostgresSets, postgres_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)

        with pytest.raises(RestoreError, match="is the one that is backed up"):
            drilled_on(sets, postgres_server, objects, pg_host="")

    def test_the_server_that_is_the_source_since_a_move(
        self, sets: PostgresSets, drill_server: PostgresServer, database: str
    ) -> None:
        objects = sets.of(database)

        with pytest.raises(RestoreError, match="is the one that is backed up"):
            drilled_on(
                sets,
                drill_server,
                objects,
                drill_pg_host="localhost",
                pg_host=drill_server.host,
                pg_port=drill_server.port,
                pg_password=SecretStr(drill_server.password),
            )

    def test_a_role_that_may_not_create_databases(
        self, sets: PostgresSets, drill_server: PostgresServer, database: str
    ) -> None:
        execute(
            drill_server,
            "postgres",
            "CREATE ROLE weak LOGIN PASSWORD 'weak'",
            "GRANT pg_monitor TO weak",
        )
        objects = sets.of(database)

        with pytest.raises(RestoreError, match="may not create databases"):
            drilled_on(
                sets,
                drill_server,
                objects,
                drill_pg_user="weak",
                drill_pg_password=SecretStr("weak"),
            )


def test_a_database_that_scratch_has_no_room_for_is_left_out_and_the_share_says_so(
    sets: PostgresSets,
    postgres_server: PostgresServer,
    make_database: MakeDatabase,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = make_database()
    execute(
        postgres_server,
        large,
        "CREATE TABLE t (body text)",
        "ALTER TABLE t ALTER body SET STORAGE EXTERNAL",
        "INSERT INTO t SELECT repeat(md5(i::text), 100) FROM generate_series(1, 9000) i",
    )
    objects = sets.of(database, large)
    monkeypatch.setattr(
        "onyx_pipelines.host.scratch.free_bytes",
        lambda _: (256 << 20) + 9_000_000,
    )

    settings = sets.settings.model_copy(update={"scratch_dir": None})

    result = drill(work_on(objects, settings))

    assert [(f.verdict, f.aspect) for f in result.problems() if f.item == large] == [
        (Verdict.COULD_NOT_VERIFY, "room")
    ]
    assert 0 < result.share < 0.01
    assert result.extrapolated_recovery_s > 10 * result.recovery_s
