"""The stand-in: a process that others find again, keeps its data, and refuses what it cannot do."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.sample_vectors import load_sample_vectors
from onyx_pipelines_tests.fixtures_qdrant import DIMENSIONS, open_client, sample_points

_FLAT = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    with QdrantStandIn(tmp_path_factory.mktemp("shared") / "standin") as server:
        with open_client(server.url) as client:
            _fill(client, "documents", 40)
        yield server


@pytest.fixture
def client(shared: QdrantStandIn) -> Iterator[QdrantClient]:
    with open_client(shared.url) as opened:
        yield opened


def _fill(client: QdrantClient, name: str, points: int) -> None:
    client.create_collection(name, vectors_config=_FLAT)
    client.upsert(name, points=sample_points(points), wait=True)


def _content(client: QdrantClient, name: str) -> list[dict[str, Any]]:
    found, _ = client.scroll(name, limit=1000, with_payload=True, with_vectors=True)
    return [each.model_dump() for each in found]


def _content_at(url: str, name: str) -> list[dict[str, Any]]:
    with open_client(url) as client:
        return _content(client, name)


def test_it_is_found_and_stopped_from_another_process(tmp_path: Path) -> None:
    server = QdrantStandIn(tmp_path / "standin").start()
    program = (
        "import sys; from pathlib import Path;"
        "from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn;"
        "found = QdrantStandIn.attach(Path(sys.argv[1])); print(found.pid, found.url); found.stop()"
    )
    expected = f"{server.pid} {server.url}"

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "standin")],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    running = server.pid
    server.stop()

    assert done.stdout.strip() == expected
    assert running is None


def test_where_none_was_started_none_is_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No Qdrant stand-in"):
        QdrantStandIn.attach(tmp_path)


def test_starting_it_twice_and_stopping_it_twice_is_fine(tmp_path: Path) -> None:
    server = QdrantStandIn(tmp_path / "standin").start()
    pid = server.pid

    again = server.start().pid
    server.stop()
    server.stop()

    assert pid == again
    assert server.pid is None


def test_data_survive_stop_and_start_at_the_same_address(tmp_path: Path) -> None:
    with QdrantStandIn(tmp_path / "standin") as server:
        load_sample_vectors(server.url, documents=20)
        before, url = _content_at(server.url, "knowledge"), server.url

    with QdrantStandIn.attach(tmp_path / "standin") as server:
        after, again = _content_at(server.url, "knowledge"), server.url

    assert len(before) == 20
    assert after == before
    assert again == url


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    server = QdrantStandIn(tmp_path / "standin").start()
    with open_client(server.url) as client:
        _fill(client, "documents", 30)
        client.create_snapshot("documents")
        client.delete("documents", models.PointIdsList(points=[7]), wait=True)
        before = _content(client, "documents")
    server.kill()
    dead = server.pid

    with server:
        after = _content_at(server.url, "documents")

    assert dead is None
    assert len(before) == 29
    assert after == before


def test_a_port_that_is_taken_is_an_error_with_the_logs_tail(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = QdrantStandIn(tmp_path / "standin", taken.getsockname()[1])

        with pytest.raises(OnyxError, match="address already in use"):
            server.start()

    assert server.pid is None


def test_a_snapshot_makes_an_equal_collection_when_it_is_uploaded(
    shared: QdrantStandIn, client: QdrantClient
) -> None:
    made = client.create_snapshot("documents")
    assert made is not None
    where = f"{shared.url}/collections/documents/snapshots/{made.name}"
    data = httpx.get(where, headers={"Accept-Encoding": "identity"}, timeout=60).content

    answer = httpx.post(
        f"{shared.url}/collections/restored/snapshots/upload",
        params={"checksum": made.checksum},
        files={"snapshot": (made.name, data)},
        timeout=60,
    )

    told = [client.get_collection(name).config.model_dump() for name in ("documents", "restored")]
    assert answer.status_code == 200
    assert _content(client, "restored") == _content(client, "documents")
    assert told[0] == told[1]
    client.delete_collection("restored")


def test_a_restored_collection_takes_new_points(
    shared: QdrantStandIn, client: QdrantClient
) -> None:
    made = client.create_snapshot("documents")
    assert made is not None
    snapshots = f"{shared.url}/collections/documents/snapshots/{made.name}"
    data = httpx.get(snapshots, timeout=60).content
    upload = f"{shared.url}/collections/again/snapshots/upload"
    httpx.post(upload, files={"snapshot": (made.name, data)}, timeout=60).raise_for_status()
    changed = models.PointStruct(id=3, vector=[1.0] * DIMENSIONS, payload={"changed": True})

    client.upsert("again", points=[changed], wait=True)

    assert client.retrieve("again", [3])[0].payload == {"changed": True}
    assert client.count("again", exact=True).count == 40
    client.delete_collection("again")


@pytest.mark.parametrize(
    ("data", "params", "status"),
    [
        pytest.param(b"no archive", {}, 500, id="no archive"),
        pytest.param(b"no archive", {"checksum": "0" * 64}, 400, id="other checksum"),
    ],
)
def test_an_upload_that_is_no_snapshot_is_refused_and_makes_nothing(
    data: bytes, params: dict[str, str], status: int, shared: QdrantStandIn, client: QdrantClient
) -> None:
    answer = httpx.post(
        f"{shared.url}/collections/broken/snapshots/upload",
        params=params,
        files={"snapshot": ("x.snapshot", data)},
        timeout=60,
    )

    assert answer.status_code == status
    assert not client.collection_exists("broken")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/snapshots", None),
        ("PATCH", "/collections/documents", {"vectors": {"": {"on_disk": True}}}),
        ("POST", "/collections/documents/snapshots?wait=false", None),
        ("POST", "/collections/documents/points/search", {}),
        ("POST", "/collections/documents/points/scroll", {"order_by": "title"}),
        ("POST", "/collections/documents/points/count", {"filter": {"min_should": {}}}),
        ("POST", "/collections/documents/points/query", {"query": {"fusion": "rrf"}}),
        ("PUT", "/collections/new", {"sharding_method": "custom"}),
        ("PUT", "/collections/new", {"sparse_vectors": {"text": {"memory": "cold"}}}),
    ],
)
def test_what_it_does_not_do_it_refuses(
    method: str, path: str, body: object, shared: QdrantStandIn
) -> None:
    answer = httpx.request(method, shared.url + path, json=body, timeout=60)

    assert answer.status_code == 501


@pytest.mark.parametrize(
    "name", ["%2E%2E", "%2E", "a%2Fb", "a%5Cb", "a%3Fb", "a%00b", "l" * 256, "a%22b"]
)
def test_a_name_that_would_be_a_path_is_no_collection(name: str, shared: QdrantStandIn) -> None:
    before = sorted(str(path) for path in shared.data_dir.rglob("*"))

    answer = httpx.put(
        f"{shared.url}/collections/{name}",
        json={"vectors": {"size": 4, "distance": "Dot"}},
        timeout=60,
    )

    assert answer.status_code == 422
    assert sorted(str(path) for path in shared.data_dir.rglob("*")) == before


def test_the_same_name_twice_is_a_conflict(client: QdrantClient) -> None:
    with pytest.raises(UnexpectedResponse) as caught:
        client.create_collection("documents", vectors_config=_FLAT)

    assert caught.value.status_code == 409


def test_keys_are_asked_for_and_the_read_only_one_only_reads(tmp_path: Path) -> None:
    with QdrantStandIn(tmp_path / "standin", api_key="full", read_only_key="read") as server:
        listing = [_status("GET", server.url, key) for key in ("", "wrong", "read", "full")]
        making = [_status("PUT", server.url, key) for key in ("", "wrong", "read", "full")]

    assert listing == [401, 401, 200, 200]
    assert making == [401, 401, 403, 200]


def _status(method: str, url: str, key: str) -> int:
    path, body = ("/collections", None)
    if method == "PUT":
        path, body = "/collections/new", {"vectors": {"size": 4, "distance": "Dot"}}
    answer = httpx.request(method, url + path, json=body, headers={"api-key": key}, timeout=60)
    return answer.status_code


def test_the_keys_are_in_a_file_for_the_owner_only(tmp_path: Path) -> None:
    with QdrantStandIn(tmp_path / "standin", api_key="s3cret-key") as server:
        command = Path(f"/proc/{server.pid}/cmdline").read_bytes()

    modes = [path.stat().st_mode & 0o077 for path in (tmp_path / "standin").glob("*.json")]
    assert b"s3cret-key" not in command
    assert modes == [0]


def test_a_range_of_a_snapshot_is_the_same_bytes(
    shared: QdrantStandIn, client: QdrantClient
) -> None:
    time.sleep(1.05)
    made = client.create_snapshot("documents")
    assert made is not None
    url = f"{shared.url}/collections/documents/snapshots/{made.name}"
    whole = httpx.get(url, timeout=60)

    part = httpx.get(
        url, headers={"Range": "bytes=1000-", "If-Match": whole.headers["etag"]}, timeout=60
    )
    other = httpx.get(url, headers={"Range": "bytes=1000-", "If-Match": '"other"'}, timeout=60)

    assert (part.status_code, part.content) == (206, whole.content[1000:])
    assert other.status_code == 412


def test_filters_choose_what_the_engine_finds(client: QdrantClient) -> None:
    tagged = models.FieldCondition(key="tags", match=models.MatchValue(value=4))
    high = models.FieldCondition(key="score", range=models.Range(gte=12))

    counts = [
        client.count("documents", count_filter=models.Filter(must=[each]), exact=True).count
        for each in (tagged, high)
    ]

    assert counts == [1, 4]
