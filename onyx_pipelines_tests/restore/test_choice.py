"""What a person asks for becomes a place for each component, or one clear refusal."""

from __future__ import annotations

from typing import Any

import pytest

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.postgres.loading import DatabaseObjects
from onyx_pipelines.restore.postgres.server import placed, target_of
from onyx_pipelines.restore.qdrant.server import Address, address_of, new_name_of
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.manifest import ObjectRecord

ALL = tuple(Component)


@pytest.fixture
def settings() -> Settings:
    return load_settings(
        {
            "pg_host": "db.internal",
            "pg_port": 5433,
            "pg_user": "admin",
            "pg_password": "of-the-source",
            "restore_pg_password": "of-the-target",
            "qdrant_api_key": "source-key",
        }
    )


def postgres(settings: Settings, into: str) -> PostgresTarget:
    return target_of(RestoreChoice(databases=("onyx",), into=into), settings)


def qdrant(settings: Settings, into: str) -> Address:
    return address_of(RestoreChoice(collections=("documents",), into=into), settings)


def database_name(into: str) -> str:
    """Of the only one in the set."""
    record = ObjectRecord.model_construct(name="onyx")
    facts = DatabaseFacts.model_construct(database="onyx")
    (placement,) = placed(RestoreChoice(into=into), [DatabaseObjects("onyx", record, facts)])
    return placement.final_name


class TestComponents:
    def test_all_of_the_set_if_nothing_is_chosen(self) -> None:
        assert RestoreChoice().components_of(ALL) == ALL

    def test_those_that_the_finer_choices_belong_to(self) -> None:
        choice = RestoreChoice(collections=("documents",), paths=("a/b",))

        assert choice.components_of(ALL) == (Component.QDRANT, Component.VOLUMES)

    def test_always_in_the_order_of_restoring(self) -> None:
        choice = RestoreChoice(components=(Component.VOLUMES, Component.POSTGRESQL))

        assert choice.components_of(ALL) == (Component.POSTGRESQL, Component.VOLUMES)

    def test_one_that_the_set_lacks_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="The set has no qdrant"):
            RestoreChoice(components=(Component.QDRANT,)).components_of([Component.VOLUMES])

    def test_a_table_of_a_component_that_was_not_chosen_is_refused(self) -> None:
        choice = RestoreChoice(components=(Component.QDRANT,), tables=("app.users",))

        with pytest.raises(SettingsError, match=r"app\.users .* postgresql"):
            choice.components_of(ALL)


class TestAnotherServer:
    def test_of_postgresql_has_its_own_password(self, settings: Settings) -> None:
        into = "postgresql://me@other:6000/copy%20one"
        target = postgres(settings, into)

        assert (target.address, target.user) == ("other:6000", "me")
        assert target.password.get_secret_value() == "of-the-target"
        assert database_name(into) == "copy one"

    def test_of_postgresql_takes_what_it_does_not_say_from_the_settings(
        self, settings: Settings
    ) -> None:
        target = postgres(settings, "postgres://other")

        assert (target.address, target.user) == ("other:5433", "admin")
        assert database_name("postgres://other") == "onyx"

    def test_of_qdrant_may_name_the_collection(self, settings: Settings) -> None:
        into = "http://other:6333/collections/copy%2Fone"
        address = qdrant(settings, into)

        assert (address.url, new_name_of(RestoreChoice(into=into))) == (
            "http://other:6333",
            "copy/one",
        )
        assert address.api_key.get_secret_value() == "source-key"

    @pytest.mark.parametrize(
        "into", ["postgresql://me:s3cret@other/db", "postgres://me:@other", "http://k:s3cret@o:1"]
    )
    def test_with_a_password_in_its_address_is_refused_and_not_repeated(
        self, settings: Settings, into: str
    ) -> None:
        ask: Any = qdrant if into.startswith("http") else postgres

        with pytest.raises(SettingsError, match="can be read by every user") as refused:
            ask(settings, into)

        assert "s3cret" not in str(refused.value) + refused.value.remedy

    def test_of_another_kind_is_refused_without_its_password(self, settings: Settings) -> None:
        with pytest.raises(SettingsError, match="is not a PostgreSQL server") as refused:
            postgres(settings, "mysql://me:s3cret@other/db")

        assert "s3cret" not in str(refused.value)


class TestAnotherName:
    def test_of_a_database_or_a_collection(self, settings: Settings) -> None:
        assert database_name("copy") == "copy"
        assert new_name_of(RestoreChoice(into="copy")) == "copy"
        assert postgres(settings, "copy").address == "db.internal:5433"

    def test_for_two_components_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="can take one component; 3"):
            RestoreChoice(into="copy").components_of(ALL)
