"""What a person asks for becomes one request per component, or one clear refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.errors import SettingsError
from onyx_pipelines.restore.postgres import PostgresRestoreRequest
from onyx_pipelines.restore.qdrant import QdrantRestoreRequest
from onyx_pipelines.restore.recovery.choice import RestoreChoice
from onyx_pipelines.restore.volumes import VolumesRestoreRequest
from onyx_pipelines.settings import Settings, load_settings
from onyx_pipelines.sources.source import Component

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


def postgres(settings: Settings, into: str) -> PostgresRestoreRequest:
    choice = RestoreChoice(databases=("onyx",), into=into)
    request = choice.request_for(Component.POSTGRESQL, [Component.POSTGRESQL], settings)
    assert isinstance(request, PostgresRestoreRequest)
    return request


def qdrant(settings: Settings, into: str) -> QdrantRestoreRequest:
    choice = RestoreChoice(collections=("documents",), into=into)
    request = choice.request_for(Component.QDRANT, [Component.QDRANT], settings)
    assert isinstance(request, QdrantRestoreRequest)
    return request


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
        request = postgres(settings, "postgresql://me@other:6000/copy%20one")

        assert request.target is not None
        assert (request.target.address, request.target.user) == ("other:6000", "me")
        assert request.target.password.get_secret_value() == "of-the-target"
        assert request.database_as == "copy one"

    def test_of_postgresql_takes_what_it_does_not_say_from_the_settings(
        self, settings: Settings
    ) -> None:
        request = postgres(settings, "postgres://other")

        assert request.target is not None
        assert (request.target.address, request.target.user) == ("other:5433", "admin")
        assert request.database_as == ""

    def test_of_qdrant_may_name_the_collection(self, settings: Settings) -> None:
        request = qdrant(settings, "http://other:6333/collections/copy%2Fone")

        assert (request.url, request.collection_as) == ("http://other:6333", "copy/one")
        assert request.api_key.get_secret_value() == "source-key"

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
        assert postgres(settings, "copy").database_as == "copy"
        assert qdrant(settings, "copy").collection_as == "copy"

    def test_of_a_directory_is_absolute(self, settings: Settings) -> None:
        choice = RestoreChoice(volumes=("data",), into="here")
        request = choice.request_for(Component.VOLUMES, [Component.VOLUMES], settings)

        assert isinstance(request, VolumesRestoreRequest)
        assert request.target == Path.cwd() / "here"

    def test_for_two_components_is_refused(self, settings: Settings) -> None:
        with pytest.raises(SettingsError, match="can take one component; 3"):
            RestoreChoice(into="copy").request_for(Component.POSTGRESQL, ALL, settings)


def test_tables_come_without_roles_and_grants(settings: Settings) -> None:
    choice = RestoreChoice(databases=("onyx",), tables=("app.users",))
    request = choice.request_for(Component.POSTGRESQL, [Component.POSTGRESQL], settings)

    assert isinstance(request, PostgresRestoreRequest)
    assert not request.with_globals
