"""The stand-in's snapshots: of every kind of vector, of a shard, recovered from, and refused."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient, models

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant.snapshot_archive import unpack_snapshot
from onyx_pipelines_tests.fixtures_qdrant import open_client

POINTS = 30


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    with QdrantStandIn(tmp_path_factory.mktemp("snapshots") / "standin") as server:
        with open_client(server.url) as client:
            _fill(client)
        yield server


@pytest.fixture
def client(standin: QdrantStandIn) -> Iterator[QdrantClient]:
    with open_client(standin.url) as opened:
        yield opened
        standin.set_faults()


def _fill(client: QdrantClient) -> None:
    """A collection `mixed` with dense, multi and sparse vectors."""
    max_sim = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    client.create_collection(
        "mixed",
        vectors_config={
            "dense": models.VectorParams(size=2, distance=models.Distance.DOT),
            "multi": models.VectorParams(
                size=2, distance=models.Distance.DOT, multivector_config=max_sim
            ),
        },
        sparse_vectors_config={"sparse": models.SparseVectorParams()},
    )
    points = [
        models.PointStruct(
            id=number,
            vector={
                "dense": [number, 1.5],
                "multi": [[number, 1.0], [2.0, number]],
                "sparse": models.SparseVector(indices=[number, 100], values=[0.5, number + 1]),
            },
            payload={"number": number},
        )
        for number in range(POINTS)
    ]
    client.upsert("mixed", points=points, wait=True)


def _content(client: QdrantClient, name: str) -> list[dict[str, Any]]:
    found, _ = client.scroll(name, limit=1000, with_payload=True, with_vectors=True)
    return [each.model_dump() for each in found]


def _ask(standin: QdrantStandIn, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"Accept-Encoding": "identity"}
    url = f"{standin.url}/collections/{path}"
    return httpx.request(method, url, headers=headers, timeout=60, **options)


def test_vectors_of_every_kind_come_back(client: QdrantClient) -> None:
    (point,) = client.retrieve("mixed", ids=[3], with_vectors=True, with_payload=True)

    assert point.vector == {
        "dense": [3.0, 1.5],
        "multi": [[3.0, 1.0], [2.0, 3.0]],
        "sparse": models.SparseVector(indices=[3, 100], values=[0.5, 4.0]),
    }


def test_sparse_and_dense_vectors_can_be_searched_by(client: QdrantClient) -> None:
    sparse = models.SparseVector(indices=[7], values=[1.0])

    by_sparse = client.query_points("mixed", query=sparse, using="sparse", limit=1).points
    by_dense = client.query_points("mixed", query=[1.0, 0.0], using="dense", limit=1).points

    assert by_sparse[0].id == 7
    assert by_dense[0].id == POINTS - 1


def test_a_collection_is_recovered_from_a_file_on_the_server(
    standin: QdrantStandIn, client: QdrantClient
) -> None:
    made = client.create_snapshot("mixed")
    assert made is not None
    location = (standin.data_dir / "snapshots" / "mixed" / made.name).as_uri()

    client.recover_snapshot("recovered", location, checksum=made.checksum)

    assert _content(client, "recovered") == _content(client, "mixed")


def test_recovery_replaces_what_the_collection_held(
    standin: QdrantStandIn, client: QdrantClient
) -> None:
    before = _content(client, "mixed")
    made = client.create_snapshot("mixed")
    assert made is not None
    location = (standin.data_dir / "snapshots" / "mixed" / made.name).as_uri()
    client.delete("mixed", models.PointIdsList(points=[1, 2, 3]), wait=True)

    client.recover_snapshot("mixed", location)

    assert _content(client, "mixed") == before


def test_nothing_outside_of_the_snapshots_directory_is_recovered_from(
    standin: QdrantStandIn, tmp_path: Path
) -> None:
    (tmp_path / "any.snapshot").write_bytes(b"x")
    inside = standin.data_dir / "snapshots"
    ways = [(tmp_path / "any.snapshot").as_uri(), f"{inside.as_uri()}/../storage/aliases.json"]

    statuses = [
        _ask(standin, "PUT", "mixed/snapshots/recover", json={"location": way}).status_code
        for way in ways
    ]

    assert statuses == [403, 403]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"location": "http://127.0.0.1:1/x.snapshot"}, 500),
        ({"location": "file:///x.snapshot", "api_key": "k"}, 501),
        ({}, 501),
    ],
)
def test_other_recoveries_are_refused(
    standin: QdrantStandIn, body: dict[str, str], status: int
) -> None:
    assert _ask(standin, "PUT", "mixed/snapshots/recover", json=body).status_code == status


def test_a_shard_snapshot_holds_the_shard_at_its_root(
    standin: QdrantStandIn, tmp_path: Path
) -> None:
    made = _ask(standin, "POST", "mixed/shards/0/snapshots").json()["result"]
    path = f"mixed/shards/0/snapshots/{made['name']}"
    data = _ask(standin, "GET", path).content
    listed = _ask(standin, "GET", "mixed/shards/0/snapshots").json()["result"]
    deleted = _ask(standin, "DELETE", path).status_code
    unpacked = unpack_snapshot(io.BytesIO(data), tmp_path / "shard", max_bytes=10**9)

    assert hashlib.sha256(data).hexdigest() == made["checksum"]
    assert listed == [made]
    assert deleted == 200
    assert unpacked.shards[0].is_local
    assert unpacked.files == {}
    assert _ask(standin, "GET", "mixed/shards/0/snapshots").json()["result"] == []


def test_a_shard_is_streamed_without_length_and_leaves_nothing(standin: QdrantStandIn) -> None:
    answer = _ask(standin, "GET", "mixed/shards/0/snapshot")

    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        names = archive.getnames()
    assert "content-length" not in answer.headers
    assert "shard_config.json" in names
    assert any(name.endswith("/files/segment.json") for name in names)
    assert _ask(standin, "GET", "mixed/shards/0/snapshots").json()["result"] == []


def test_a_shard_that_is_not_there_is_not_found(standin: QdrantStandIn) -> None:
    assert _ask(standin, "GET", "mixed/shards/1/snapshots").status_code == 404
    assert _ask(standin, "GET", "mixed/shards/1/snapshot").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "mixed/snapshots"),
        ("DELETE", "mixed/snapshots/any.snapshot"),
        ("PUT", "mixed/points"),
    ],
)
def test_work_in_the_background_is_refused(standin: QdrantStandIn, method: str, path: str) -> None:
    answer = _ask(standin, method, path, params={"wait": "false"})

    assert answer.status_code == 501
    assert "wait=false" in answer.json()["status"]["error"]


@pytest.mark.parametrize(
    "body",
    [
        {"vectors": {"size": 4, "distance": "Dot", "memory": "cold"}},
        {"vectors": {"size": 4, "distance": "Dot", "datatype": "turbo8"}},
        {"vectors": {"size": 4, "distance": "Dot"}, "sharding_method": "custom"},
        {"sparse_vectors": {"s": {"modifier": "other"}}},
        {"vectors": {"size": 4, "distance": "Dot", "multivector_config": {"comparator": "min"}}},
    ],
)
def test_a_collection_that_it_could_not_keep_as_asked_is_refused(
    standin: QdrantStandIn, body: dict[str, Any]
) -> None:
    answer = _ask(standin, "PUT", "refused", json=body)

    assert answer.status_code == 501
    assert _ask(standin, "GET", "refused").status_code == 404


def test_another_nodes_shards_metrics_delays_and_echoes_can_be_injected(
    standin: QdrantStandIn, client: QdrantClient
) -> None:
    standin.set_faults(remote_shards=[4], metrics_status=403, echo_headers=True)

    cluster = client.collection_cluster_info("mixed")
    metrics = httpx.get(f"{standin.url}/metrics", headers={"x-marked": "here"})

    assert [shard.shard_id for shard in cluster.remote_shards] == [4]
    assert metrics.status_code == 403
    assert "here" in metrics.text


def test_an_unknown_fault_is_refused(standin: QdrantStandIn) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        standin.set_faults(no_such_fault=True)
