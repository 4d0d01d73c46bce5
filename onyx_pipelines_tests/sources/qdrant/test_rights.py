"""Tokens with rights by collection, expired ones, and what a key is found to be allowed to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.qdrant_standin.access import make_token
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.qdrant.examining import describe_target
from onyx_pipelines_tests.fixtures_qdrant import DIMENSIONS, back_up, open_client, sample_points

_KEY = "the-admins-key"
_READ_ONLY = "the-readers-key"
_NAMES = ("manuals", "notes")

MakeSource = Callable[[str], QdrantSource]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    """With two collections of one point each."""
    folder = tmp_path_factory.mktemp("rights") / "standin"
    with QdrantStandIn(folder, api_key=_KEY, read_only_key=_READ_ONLY) as started:
        with open_client(started.url, _KEY) as client:
            for name in _NAMES:
                vectors = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
                client.create_collection(name, vectors_config=vectors)
                client.upsert(name, points=sample_points(1), wait=True)
        yield started


@pytest.fixture
def source_with(server: QdrantStandIn, tmp_path: Path) -> MakeSource:
    """`source_with(key)` of every collection."""
    return lambda key: QdrantSource(server.url, state_dir=tmp_path, api_key=SecretStr(key))


def token_for(**access: str) -> str:
    """`token_for(manuals="rw")`."""
    return make_token(_KEY, [{"collection": n, "access": how} for n, how in access.items()])


def test_a_token_for_some_collections_backs_those_up(source_with: MakeSource) -> None:
    sink, report = back_up(source_with(token_for(notes="rw")))

    assert sorted({each.name for each in sink.objects.values()}) == ["aliases", "notes"]
    assert (report.missing, report.warnings) == ({}, ())


def test_one_that_may_only_be_read_is_missing(source_with: MakeSource) -> None:
    _, report = back_up(source_with(token_for(manuals="r", notes="rw")))

    assert list(report.missing) == ["manuals"]
    assert "Write access to collection manuals is required" in report.missing["manuals"]


@pytest.mark.parametrize("access", ["m", [{"collection": "notes", "access": "rw"}]])
def test_an_expired_token_is_told_as_expired(access: object, source_with: MakeSource) -> None:
    key = make_token(_KEY, access, expires_at=time.time() - 60)

    for work in (source_with(key).describe, lambda: back_up(source_with(key))):
        with pytest.raises(SourceError, match="has expired") as caught:
            work()
        assert "new one" in caught.value.remedy
        assert key not in str(caught.value)


class TestWhatDoctorSays:
    @pytest.mark.parametrize("key", [_KEY, make_token(_KEY, "m")])
    def test_of_a_key_that_may_do_everything(self, key: str, source_with: MakeSource) -> None:
        assert "may make snapshots and restore them" in source_with(key).describe()

    def test_of_a_token_for_collections(self, source_with: MakeSource) -> None:
        said = source_with(token_for(notes="rw")).describe()

        assert "collections notes; " in said
        assert "restore none" in said

    @pytest.mark.parametrize(
        "key", [_READ_ONLY, make_token(_KEY, "r"), token_for(manuals="r", notes="r")]
    )
    def test_of_a_key_that_may_only_read(self, key: str, source_with: MakeSource) -> None:
        with pytest.raises(SourceError, match="may not make snapshots of manuals, notes") as caught:
            source_with(key).describe()

        assert "ONYX_QDRANT_API_KEY" in caught.value.remedy

    def test_of_the_key_of_a_server_for_drills(self, server: QdrantStandIn) -> None:
        assert "may restore" in describe_target(server.url, SecretStr(_KEY), None)
        with pytest.raises(SourceError, match="may not make, restore and drop") as caught:
            describe_target(server.url, SecretStr(token_for(notes="rw")), None)
        assert "`m`" in caught.value.remedy

    def test_is_found_without_making_anything(
        self, server: QdrantStandIn, source_with: MakeSource
    ) -> None:
        source_with(_KEY).describe()

        files = [*server.data_dir.rglob("*.snapshot")]
        with open_client(server.url, _KEY) as client:
            names = sorted(each.name for each in client.get_collections().collections)
        assert (files, names) == ([], sorted(_NAMES))
