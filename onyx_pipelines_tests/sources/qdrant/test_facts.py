"""The facts are what the server says, and only what the snapshot must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from qdrant_client import models

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.qdrant.facts import Neighbour, QueryFacts, point_fingerprint
from onyx_pipelines.sources.source import ByteSink, object_path
from onyx_pipelines_tests.fixtures_qdrant import (
    DIMENSIONS,
    MakeCollection,
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    sample_points,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

_CHANGED = [0.5] * DIMENSIONS


def searched(server: QdrantServer, name: str, query: QueryFacts) -> tuple[Neighbour, ...]:
    """By Qdrant's own client."""
    found = server.client.query_points(
        name,
        query=list(query.vector),
        using=query.using or None,
        search_params=models.SearchParams(exact=True),
    ).points
    return tuple(Neighbour(id=each.id, score=each.score) for each in found)


def test_counts_and_configuration_are_the_servers(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=11)

    sink, _ = back_up(make_source(qdrant_server, name))

    facts = facts_in(sink, name)
    told = qdrant_server.request("GET", f"/collections/{name}")
    assert (facts.points_before, facts.points_after) == (11, 11)
    assert facts.config["params"]["vectors"] == told["config"]["params"]["vectors"]
    assert facts.config["hnsw_config"]["m"] == told["config"]["hnsw_config"]["m"]
    assert facts.server_version == qdrant_server.request_version()


def test_every_sampled_point_is_as_the_server_gives_it(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=30)

    sink, _ = back_up(make_source(qdrant_server, name, sample_points=12, all_up_to=0))

    ids = [each.id for each in facts_in(sink, name).sample]
    told = qdrant_server.request(
        "POST",
        f"/collections/{name}/points",
        json={"ids": ids, "with_payload": True, "with_vector": True},
    )
    expected = {each["id"]: point_fingerprint(each["vector"], each["payload"]) for each in told}
    assert {each.id: each.fingerprint for each in facts_in(sink, name).sample} == expected
    assert len(expected) == 12


def test_points_with_uuids_are_sampled(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    identity = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
    point = models.PointStruct(id=identity, vector=_CHANGED, payload={})
    name = make_collection(points=[point])

    sink, _ = back_up(make_source(qdrant_server, name))

    assert [each.id for each in facts_in(sink, name).sample] == [identity]


def test_no_sample_is_taken_when_none_is_wanted(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection()

    sink, report = back_up(make_source(qdrant_server, name, sample_points=0, all_up_to=0))

    assert facts_in(sink, name).sample == ()
    assert report.summary["sampled_points_count"] == 0


def test_the_stored_query_finds_the_same_again(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection()

    sink, _ = back_up(make_source(qdrant_server, name))

    query = facts_in(sink, name).query
    assert query is not None
    assert searched(qdrant_server, name, query) == query.neighbours
    assert query.neighbours[0].score == pytest.approx(1, abs=1e-5)


def test_named_vectors_are_sampled_and_searched_by_name(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    dot = models.Distance.DOT
    vectors = {
        "title": models.VectorParams(size=2, distance=dot),
        "body": models.VectorParams(size=3, distance=dot),
    }
    points = [
        models.PointStruct(
            id=n, vector={"title": [n, 1.0], "body": [1.0, n, 2.0]}, payload={"n": n}
        )
        for n in range(4)
    ]
    name = make_collection(points=points, vectors=vectors)

    sink, _ = back_up(make_source(qdrant_server, name))

    facts = facts_in(sink, name)
    expected = {
        n: point_fingerprint({"title": [n, 1.0], "body": [1.0, n, 2.0]}, {"n": n}) for n in range(4)
    }
    assert {each.id: each.fingerprint for each in facts.sample} == expected
    assert facts.query is not None
    assert facts.query.using == "body"
    assert searched(qdrant_server, name, facts.query) == facts.query.neighbours


class _ChangingSink(RecordingSink):
    """Calls `change` when the snapshot stands and the sample has not been read again."""

    def __init__(self, change: Callable[[], object]) -> None:
        super().__init__()
        self._change = change

    @contextmanager
    def object(
        self, path: str, *, name: str, media_type: str, compression_level: int = 1
    ) -> Iterator[ByteSink]:
        if path.endswith(".snapshot"):
            self._change()
        with super().object(
            path, name=name, media_type=media_type, compression_level=compression_level
        ) as writer:
            yield writer


def test_points_that_were_changed_meanwhile_are_left_out_of_the_sample(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=10)
    payload_only = sample_points(2)[1].model_copy(update={"payload": {"title": "other"}})
    changed = [models.PointStruct(id=0, vector=_CHANGED, payload={}), payload_only]
    sink = _ChangingSink(lambda: qdrant_server.client.upsert(name, points=changed, wait=True))

    make_source(qdrant_server, name).back_up(sink, silent)

    facts = facts_in(sink, name)
    assert sorted(each.id for each in facts.sample) == list(range(2, 10))
    assert (facts.points_before, facts.points_after) == (10, 10)


def test_points_that_were_deleted_meanwhile_are_left_out_and_both_counts_are_kept(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=10)
    gone = models.PointIdsList(points=[3, 4])
    sink = _ChangingSink(lambda: qdrant_server.client.delete(name, gone, wait=True))

    make_source(qdrant_server, name).back_up(sink, silent)

    facts = facts_in(sink, name)
    assert sorted(each.id for each in facts.sample) == [0, 1, 2, 5, 6, 7, 8, 9]
    assert (facts.points_before, facts.points_after) == (10, 8)
    assert facts.query is None


def test_points_that_were_added_meanwhile_are_counted_after(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=3)
    new = sample_points(5)[3:]
    sink = _ChangingSink(lambda: qdrant_server.client.upsert(name, points=new, wait=True))

    make_source(qdrant_server, name).back_up(sink, silent)

    facts = facts_in(sink, name)
    assert (facts.points_before, facts.points_after) == (3, 5)
    assert sorted(each.id for each in facts.sample) == [0, 1, 2]


def test_points_that_change_during_the_download_do_not_change_the_facts(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=6)
    changed = [models.PointStruct(id=0, vector=_CHANGED, payload={})]
    snapshot_path = object_path("qdrant", name, suffix=".snapshot")
    writes: list[str] = []

    def change_once(path: str) -> None:
        writes.append(path)
        if writes.count(snapshot_path) == 1 and path == snapshot_path:
            qdrant_server.client.upsert(name, points=changed, wait=True)

    sink = RecordingSink(on_write=change_once)
    make_source(qdrant_server, name).back_up(sink, silent)

    facts = facts_in(sink, name)
    sampled = {each.id: each.fingerprint for each in facts.sample}
    told = qdrant_server.client.retrieve(name, [0], with_payload=True, with_vectors=True)[0]
    assert sorted(sampled) == list(range(6))
    assert sampled[0] != point_fingerprint(told.vector, told.payload)
