"""Ordinary databases of others: what is whole passes, drilled and restored, and comes back as it
was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.results import ComponentDrill
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.restore.postgres.foreign import (
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

pytestmark = pytest.mark.slow

# What belongs to one database, in one: to make a cluster's databases takes most of the time.
SHOP = (
    *("reworded_expressions", "one_table_and_its_sequence", "inherited_column_added_later"),
    *("attached_partition_with_own_foreign_key", "index_over_a_revoked_function", "subscription"),
    *("settings_that_data_needs", "setting_of_a_missing_locale"),
)
DATABASES = ("postgres", "shop", "my-app", "icu", "in_archive", "many", "a=b", "postgres://x")
# With their indexes, more than the lock table of a scratch cluster holds by default.
TABLES = 1500


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
def result(sets: PostgresSets, objects: SetObjects) -> ComponentDrill:
    """Of one drill of all."""
    return drilled(sets, objects)


class TestADrill:
    @pytest.mark.parametrize("database", DATABASES)
    def test_passes_what_is_whole(self, result: ComponentDrill, database: str) -> None:
        assert problems(result, database) == []
        assert messages(result, database)

    def test_passes_roles_and_tablespaces(self, result: ComponentDrill) -> None:
        assert problems(result, "globals") == []

    def test_leaves_the_directories_of_tablespaces_alone(
        self, result: ComponentDrill, public_dir: Path
    ) -> None:
        assert len(list((public_dir / "archive").iterdir())) == 1

    def test_names_a_setting_that_the_host_cannot_have(self, result: ComponentDrill) -> None:
        assert "setting lc_time" in messages(result, "shop")
        assert 'invalid value for parameter "lc_time"' in messages(result, "shop")

    def test_says_that_a_subscription_is_disabled(self, result: ComponentDrill) -> None:
        assert "Subscription sub is there, disabled and without a slot" in messages(result, "shop")
