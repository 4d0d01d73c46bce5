"""Ordinary databases of others: what is whole passes, drilled and restored, and comes back as it
was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.postgres.marked_databases import STAGED_PREFIX, drop, mark
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.fixtures_postgres import execute, target_of
from onyx_pipelines_tests.restore.postgres.foreign import (
    described,
    directory_of_the_server,
    drilled,
    german_locale,
    make_sets,
    messages,
    problems,
    psql,
    run_case,
)
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

# What belongs to one database, in one: to make a cluster's databases takes most of the time.
SHOP = (
    *("reworded_expressions", "one_table_and_its_sequence", "inherited_column_added_later"),
    *("attached_partition_with_own_foreign_key", "index_over_a_revoked_function", "subscription"),
    *("settings_that_data_needs", "setting_of_a_missing_locale", "what_pg_dump_leaves_out"),
)
DATABASES = ("postgres", "shop", "my-app", "icu", "in_archive", "many", "a=b", "postgres://x")
# With their indexes, more than the lock table of a scratch cluster holds by default.
TABLES = random_examples(1200, at_night=5000)


@pytest.fixture(scope="module")
def foreign(public_dir: Path) -> Iterator[PostgresServer]:
    """All of them in one cluster, whose locale is Debian's default and not C."""
    with PostgresServer(
        public_dir / "foreign",
        locale="C.UTF-8",
        options={"wal_level": "logical"},
        environment=german_locale(public_dir / "locales"),
    ) as server:
        psql(server, "--command=CREATE DATABASE shop")
        for case in SHOP:
            run_case(server, case, database="shop")
        for case in (
            *("database_grants_and_comment", "icu_database", "role_settings_behind_an_apostrophe"),
            "names_that_look_like_connections",
        ):
            run_case(server, case)
        run_case(server, "many_tables", tables=str(TABLES))
        archive = directory_of_the_server(server, public_dir / "archive")
        run_case(server, "tablespaces", directory=str(archive))
        yield server


@pytest.fixture(scope="module")
def sets(public_dir: Path, foreign: PostgresServer) -> PostgresSets:
    return make_sets(public_dir / "foreign-sets", foreign)


@pytest.fixture(scope="module")
def objects(sets: PostgresSets) -> SetObjects:
    return sets.of("*", with_globals=True)


@pytest.fixture(scope="module")
def result(sets: PostgresSets, objects: SetObjects) -> ComponentResult:
    """Of one drill of all."""
    return drilled(sets, objects)


class TestADrill:
    @pytest.mark.parametrize("database", DATABASES)
    def test_passes_what_is_whole(self, result: ComponentResult, database: str) -> None:
        assert problems(result, database) == []
        assert messages(result, database)

    def test_passes_roles_and_tablespaces(self, result: ComponentResult) -> None:
        assert problems(result, "globals") == []

    def test_leaves_the_directories_of_tablespaces_alone(
        self, result: ComponentResult, public_dir: Path
    ) -> None:
        assert len(list((public_dir / "archive").iterdir())) == 1

    def test_leaves_them_alone_with_programs_of_another_version_too(
        self, sets: PostgresSets, public_dir: Path, wheel: Binaries, result: ComponentResult
    ) -> None:
        objects = sets.of("in_archive", with_globals=True)

        newer = drilled(sets, objects, pg_bindir=wheel.bindir)

        assert newer.problems() == []
        assert newer.versions["restore_postgresql"].startswith("18")
        assert [each.name[:5] for each in (public_dir / "archive").iterdir()] == ["PG_15"]

    def test_names_a_setting_that_the_host_cannot_have(self, result: ComponentResult) -> None:
        assert "setting lc_time" in messages(result, "shop")
        assert 'invalid value for parameter "lc_time"' in messages(result, "shop")

    def test_says_which_comment_is_in_no_dump(self, result: ComponentResult) -> None:
        assert "plan_id_check on public.draft: its comment is in no dump" in messages(
            result, "shop"
        )

    def test_says_that_a_subscription_is_disabled(self, result: ComponentResult) -> None:
        assert "Subscription sub is there, disabled and without a slot" in messages(result, "shop")


# What is as it was and yet otherwise after pg_dump: words, where an inherited column stands, the
# name of a partition's inherited key; and a subscription's slot.
REWORDED = (
    *("status)::text = ANY", "(age >= 0)", "COPY public.c ", "1\t2\t9", "1\t9\t2", "_fk"),
    "CREATE SUBSCRIPTION",
)
SUBSCRIBING = (
    "CREATE SUBSCRIPTION left_over CONNECTION 'host=nowhere.invalid' PUBLICATION p"
    " WITH (connect = false)"
)
IN_PLACE = tuple(name for name in DATABASES if name != "many")


@dataclass(frozen=True)
class Restored:
    before: dict[str, set[str]]
    after: dict[str, set[str]]
    result: ComponentResult


@pytest.fixture(scope="module")
def in_place(foreign: PostgresServer, sets: PostgresSets, result: ComponentResult) -> Restored:
    """All but the largest are restored over themselves, described by pg_dump before and after."""
    objects = sets.of(*IN_PLACE, with_globals=True)
    before = {name: described(foreign, name) for name in IN_PLACE}
    restored = sets.restore(objects, with_globals=True)
    return Restored(before, {name: described(foreign, name) for name in IN_PLACE}, restored)


class TestARestoreInPlace:
    @pytest.mark.parametrize("database", IN_PLACE)
    def test_brings_a_database_back_as_it_was(self, in_place: Restored, database: str) -> None:
        changed = in_place.before[database] ^ in_place.after[database]

        assert problems(in_place.result, database) == []
        assert [line for line in changed if not any(word in line for word in REWORDED)] == []

    def test_keeps_public_out_of_a_database_whose_name_needs_quotes(
        self, in_place: Restored, foreign: PostgresServer
    ) -> None:
        query = (
            "SELECT has_database_privilege('o''brien', 'my-app', 'CONNECT'),"
            " shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'my-app'"
        )
        assert psql(foreign, f"--command={query}") == "f|production"

    def test_sorts_as_it_did(self, in_place: Restored, foreign: PostgresServer) -> None:
        query = "SELECT string_agg(name, ',' ORDER BY name) FROM names"
        assert psql(foreign, f"--command={query}", database="icu") == "a2,a9,a10"

    def test_uses_a_tablespace_that_is_there(
        self, in_place: Restored, foreign: PostgresServer
    ) -> None:
        query = (
            "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace"
            " WHERE datname = 'in_archive'"
        )
        assert psql(foreign, f"--command={query}") == "archivé"

    def test_leaves_a_subscription_disabled_and_no_other_database(
        self, in_place: Restored, foreign: PostgresServer
    ) -> None:
        query = "SELECT subenabled, subslotname FROM pg_subscription"
        assert psql(foreign, f"--command={query}") == "f|"
        names = psql(foreign, "--command=SELECT datname FROM pg_database").split("\n")
        assert not [name for name in names if name.startswith("onyx_")]

    def test_is_kept_from_nobody_by_what_an_interrupted_one_left(
        self, in_place: Restored, foreign: PostgresServer, sets: PostgresSets
    ) -> None:
        """Copies with subscriptions, which the server does not drop; one cannot be entered."""
        dropped, locked = f"{STAGED_PREFIX}1", f"{STAGED_PREFIX}2"
        for name in (dropped, locked):
            execute(foreign, "template1", f"CREATE DATABASE {name}")
            execute(foreign, name, f"COMMENT ON DATABASE {name} IS '{mark()}'", SUBSCRIBING)
        execute(foreign, "postgres", f"ALTER DATABASE {locked} ALLOW_CONNECTIONS false")

        result = sets.restore(sets.of("a=b"))

        query = "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname ~ '^onyx_'"
        left = psql(foreign, f"--command={query}")
        execute(foreign, "postgres", f"ALTER DATABASE {locked} ALLOW_CONNECTIONS true")
        drop(target_of(foreign), locked)
        assert result.problems() == []
        assert left == locked


@pytest.fixture(scope="module")
def elsewhere(public_dir: Path) -> Iterator[PostgresServer]:
    """A server of another host: no such locale, and one of the roles is there already."""
    with PostgresServer(public_dir / "elsewhere") as server:
        psql(server, """--command=CREATE ROLE "o'brien" LOGIN CONNECTION LIMIT 7""")
        psql(server, "--command=ALTER ROLE ALL SET app.everybody = 'ours'")
        yield server


@pytest.fixture(scope="module")
def moved(sets: PostgresSets, objects: SetObjects, elsewhere: PostgresServer) -> ComponentResult:
    return sets.restore(
        objects,
        databases=("shop", "in_archive"),
        target=target_of(elsewhere),
        with_globals=True,
    )


class TestARestoreElsewhere:
    def test_passes(self, moved: ComponentResult) -> None:
        assert moved.verdict is Verdict.PASSED, moved.problems()

    def test_names_the_setting_that_is_refused_and_has_the_others(
        self, moved: ComponentResult, elsewhere: PostgresServer
    ) -> None:
        assert "setting lc_time" in messages(moved, "shop")
        show = "--command=SELECT current_setting('app.tenant')"
        assert psql(elsewhere, show, database="shop") == "7"

    def test_says_that_a_tablespace_is_not_there(self, moved: ComponentResult) -> None:
        assert "no tablespace archiv" in messages(moved, "in_archive")

    def test_brings_settings_of_roles_whatever_names_come_before(
        self, moved: ComponentResult, elsewhere: PostgresServer
    ) -> None:
        query = (
            "SELECT rolname, rolconnlimit, rolvaliduntil::date, setconfig FROM pg_roles r"
            " JOIN pg_db_role_setting s ON s.setrole = r.oid WHERE rolname = 'zed'"
        )
        assert psql(elsewhere, f"--command={query}") == "zed|3|2031-01-01|{search_path=app}"

    def test_brings_settings_of_all_roles_that_are_not_there(
        self, moved: ComponentResult, elsewhere: PostgresServer
    ) -> None:
        query = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = 0"
        assert psql(elsewhere, f"--command={query}") == "{app.everybody=ours,app.another=theirs}"
        said = messages(moved, "globals")
        assert "all roles: app.everybody was there already and was left as it is" in said

    def test_names_a_setting_of_a_role_that_is_refused(self, moved: ComponentResult) -> None:
        said = messages(moved, "globals")
        assert 'role german: lc_time invalid value for parameter "lc_time"' in said

    def test_leaves_a_role_that_is_there_as_it_is(
        self, moved: ComponentResult, elsewhere: PostgresServer
    ) -> None:
        query = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'o''brien'"
        assert psql(elsewhere, f"--command={query}") == "7"
        assert "role o'brien was there already" in messages(moved, "globals")
