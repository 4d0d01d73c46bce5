"""Points are read within what a collection allows, and what moved is told from what stayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest
from pydantic import SecretStr
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.looking import (
    Limits,
    Looking,
    look,
    look_again,
    unchanged,
)
from onyx_pipelines.sources.qdrant.patience import Patience
from onyx_pipelines.sources.qdrant.snapshot_api import open_http
from onyx_pipelines.sources.qdrant.write_activity import writes_counted
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeCollection,
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    restrict,
    sample_points,
)
from onyx_pipelines_tests.recorded_qdrant import DATA, VERSIONS
from onyx_pipelines_tests.sources.qdrant.writer import a_writer

MakeLooking = Callable[..., Looking]


@pytest.fixture
def looking_at(qdrant_server: QdrantServer) -> Iterator[MakeLooking]:
    """`looking_at(name)`: with the limits that the collection has."""
    key = SecretStr(qdrant_server.api_key)
    with open_http(qdrant_server.url, key, read_timeout_s=60) as http:

        def make(name: str, **options: float) -> Looking:
            errors = QdrantErrors(qdrant_server.url, key)
            api = CollectionApi(http, errors, timeout_s=60, patience=Patience(**options))
            return Looking(api, name, Limits.of(api.info(name)["config"]))

        yield make


def use_up(server: QdrantServer, name: str) -> None:
    """The collection's rate."""
    with suppress(httpx.HTTPStatusError):
        while True:
            server.request("POST", f"/collections/{name}/points/scroll", json={})


class TestACollectionWithLimits:
    def test_of_its_queries_is_read_in_pages_that_it_allows(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection(points=23)
        restrict(qdrant_server, name, max_query_limit=5)

        looking = looking_at(name)

        assert sorted(looking.all_points()) == list(range(23))
        assert len(looking.random_ids(12)) == 12
        assert sorted(looking.points(list(range(0, 40, 2)))) == list(range(0, 23, 2))

    def test_that_refuses_exact_counts_is_counted_by_its_ids(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection(points=23)
        restrict(qdrant_server, name, search_allow_exact=False, max_query_limit=7)

        assert looking_at(name).count() == 23

    def test_of_its_rate_is_read_in_few_calls_and_waited_for(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection(points=23)
        restrict(qdrant_server, name, read_rate_limit=30)
        looking = looking_at(name)
        use_up(qdrant_server, name)

        assert sorted(looking.all_points()) == list(range(23))

    def test_of_its_rate_gives_single_points_in_pages_that_it_ever_allows(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection(points=23)
        restrict(qdrant_server, name, read_rate_limit=2)

        assert sorted(looking_at(name).points(list(range(23)))) == list(range(23))

    def test_of_the_ids_in_a_filter_gives_single_points_within_that(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        """Which are asked for by a filter where the rate is limited."""
        name = make_collection(points=23)
        restrict(qdrant_server, name, read_rate_limit=60, condition_max_size=4)

        assert sorted(looking_at(name).points(list(range(23)))) == list(range(23))

    def test_is_not_waited_for_for_ever(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection(points=23)
        restrict(qdrant_server, name, read_rate_limit=1)
        looking = looking_at(name, each_s=1)
        looking.all_points()

        with pytest.raises(SourceError, match="HTTP 429") as caught:
            looking.all_points()

        assert caught.value.transient

    def test_is_backed_up_without_a_stored_query(
        self,
        qdrant_server: QdrantServer,
        make_collection: MakeCollection,
        make_source: MakeSource,
    ) -> None:
        name = make_collection(points=23)
        restrict(qdrant_server, name, search_allow_exact=False, max_query_limit=5)

        sink, _ = back_up(make_source(qdrant_server, name))

        facts = facts_in(sink, name)
        assert (len(facts.sample), facts.sample_is_all, facts.query) == (23, True, None)


class TestTwoLooks:
    def test_at_all_points_tell_every_one_that_moved(
        self, looking_at: MakeLooking, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection(points=10)
        looking = looking_at(name)
        first = look(looking, 10, vectors=(), all_up_to=100, sample=3)
        qdrant_server.client.delete(name, points_selector=[1, 2], wait=True)
        qdrant_server.client.upsert(name, points=sample_points(13)[11:], wait=True)

        same = unchanged(first, look_again(looking, first))

        assert sorted(each.id for each in same.sample) == [0, *range(3, 10)]
        assert same.moved == (1, 11, 12, 2)

    @pytest.mark.parametrize(("all_up_to", "is_all"), [(49, False), (50, True)])
    def test_count_themselves_where_the_server_does_not_say_how_many_there_are(
        self, all_up_to: int, is_all: bool, looking_at: MakeLooking, make_collection: MakeCollection
    ) -> None:
        looking = looking_at(make_collection(points=50))

        assert look(looking, None, vectors=(), all_up_to=all_up_to, sample=7).is_all == is_all

    def test_at_a_sample_count_all_points(
        self, looking_at: MakeLooking, make_collection: MakeCollection
    ) -> None:
        looking = looking_at(make_collection(points=50))
        first = look(looking, 50, vectors=(), all_up_to=10, sample=7)

        same = unchanged(first, look_again(looking, first))

        assert (first.count, first.is_all, len(same.sample), same.moved) == (50, False, 7, ())


def test_a_sample_has_some_points_with_each_vector_that_has_a_name(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    """Two points of 400 have a title: a random sample of two would hardly have one of them."""
    dense = models.VectorParams(size=8, distance=models.Distance.COSINE)
    name = make_collection(
        vectors={"body": dense, "title": dense},
        points=[
            each.model_copy(
                update={"vector": {"title" if each.id in (123, 321) else "body": each.vector}}
            )
            for each in sample_points(400)
        ],
    )

    sink, _ = back_up(make_source(qdrant_server, name, all_up_to=0, sample_points=2))

    assert {123, 321} <= {each.id for each in facts_in(sink, name).sample}


def test_of_5000_points_all_are_compared_and_of_more_a_sample(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=5_001)
    more = facts_in(back_up(make_source(qdrant_server, name))[0], name)
    qdrant_server.client.delete(name, points_selector=[0], wait=True)

    facts = facts_in(back_up(make_source(qdrant_server, name))[0], name)

    assert (more.sample_is_all, len(more.sample)) == (False, 500)
    assert (facts.sample_is_all, len(facts.sample)) == (True, 5_000)


def test_a_backup_under_a_writer_keeps_what_stayed_and_names_what_moved(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=200)

    with a_writer(qdrant_server, name):
        sink, _ = back_up(make_source(qdrant_server, name))

    facts = facts_in(sink, name)
    stayed = {each.id for each in facts.sample}
    assert set(range(10, 200)) <= stayed
    assert facts.has_moved
    assert not stayed & set(facts.moved)


def test_a_sample_under_a_writer_is_known_to_have_been_written_to(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=200)
    quiet = facts_in(back_up(make_source(qdrant_server, name, all_up_to=0))[0], name)

    with a_writer(qdrant_server, name):
        sink, _ = back_up(make_source(qdrant_server, name, all_up_to=0, sample_points=20))

    facts = facts_in(sink, name)
    assert (quiet.writes_seen, quiet.was_still) == (False, True)
    assert (facts.writes_seen, facts.was_still, facts.has_moved) == (True, False, True)


@pytest.mark.parametrize("version", VERSIONS)
def test_writes_are_told_from_reads_in_what_a_server_counts(version: str) -> None:
    """30 points were put at once; there were searches, scrolls and counts besides."""
    metrics = (DATA / version / "http" / "metrics.txt").read_text(encoding="utf-8")

    assert writes_counted(metrics) == 1


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (
            'rest_responses_total{method="PUT",endpoint="/collections/{n}/points",status="200"}',
            1,
        ),
        (
            'rest_responses_total{method="POST",endpoint="/collections/{n}/points",status="200"}',
            0,
        ),
        ('rest_responses_total{method="POST",endpoint="/collections/{n}/points/delete"}', 1),
        ('rest_responses_total{method="POST",endpoint="/collections/{n}/points/batch"}', 1),
        ('rest_responses_total{method="PUT",endpoint="/collections/{n}/points/vectors"}', 1),
        (
            'rest_responses_total{method="POST",endpoint="/collections/{n}/points/query/batch"}',
            0,
        ),
        ('qdrant_rest_responses_total{method="PUT",endpoint="/collections/{n}/points"}', 1),
        ('grpc_responses_total{endpoint="/qdrant.Points/Upsert"}', 1),
        ('grpc_responses_total{endpoint="/qdrant.Points/DeleteVectors"}', 1),
        ('grpc_responses_total{endpoint="/qdrant.Points/Search"}', 0),
    ],
)
def test_a_write_is_counted_whatever_it_came_by(line: str, counts: int) -> None:
    assert writes_counted(f"# TYPE x counter\n{line} 7\n") == 7 * counts
