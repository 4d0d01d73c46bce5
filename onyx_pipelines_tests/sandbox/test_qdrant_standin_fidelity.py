"""The stand-in keeps, refuses and leaves behind what a real server does."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant.facts import point_fingerprint
from onyx_pipelines.sources.qdrant.snapshot_archive import unpack_snapshot
from onyx_pipelines_tests.recorded_qdrant import ALL, Recorded

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    with QdrantStandIn(tmp_path_factory.mktemp("fidelity") / "standin") as started:
        yield started


@pytest.fixture(scope="module")
def ask(server: QdrantStandIn) -> Iterator[Ask]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:

        def send(method: str, path: str, **options: Any) -> httpx.Response:
            return client.request(method, f"/collections/{path}", **options)

        yield send


@pytest.fixture
def name(request: pytest.FixtureRequest, ask: Ask) -> Iterator[str]:
    """Of a collection that is gone afterwards."""
    chosen = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    yield chosen
    ask("DELETE", chosen)


def result(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()["result"]


def upload(ask: Ask, name: str, snapshot: bytes, **params: str) -> httpx.Response:
    files = {"snapshot": ("a.snapshot", snapshot)}
    return ask("POST", f"{name}/snapshots/upload", params=params, files=files)


def scrolled(ask: Ask, name: str) -> dict[Any, str]:
    points, body = [], {"limit": 5, "with_payload": True, "with_vector": True}
    while body.get("offset", 0) is not None:
        page = result(ask("POST", f"{name}/points/scroll", json=body))
        points += page["points"]
        body["offset"] = page["next_page_offset"]
    return {each["id"]: point_fingerprint(each["vector"], each["payload"]) for each in points}


def ids(each: Recorded) -> str:
    return f"{each.version}-{each.name}"


class TestARecordedCollection:
    @pytest.mark.parametrize("recorded", ALL, ids=ids)
    def test_that_is_uploaded_is_told_as_the_server_told_it(
        self, recorded: Recorded, ask: Ask, name: str
    ) -> None:
        result(upload(ask, name, recorded.snapshot))

        info, told = result(ask("GET", name)), recorded.info["info"]
        expected = {each.id: each.fingerprint for each in recorded.facts().sample}
        assert info["config"] == told["config"]
        assert scrolled(ask, name) == expected
        assert info["payload_schema"].keys() == told["payload_schema"].keys()
        for field, index in told["payload_schema"].items():
            assert info["payload_schema"][field] == index

    @pytest.mark.parametrize(
        "recorded", [each for each in ALL if each.version == "1.18.3"], ids=ids
    )
    def test_that_is_made_anew_has_the_configuration_that_a_server_keeps(
        self, recorded: Recorded, ask: Ask, name: str
    ) -> None:
        told = recorded.info["info"]["config"]
        request = {key: told.get(key) for key in ("strict_mode_config", "metadata")}
        request |= {
            **told["params"],
            "hnsw_config": told["hnsw_config"],
            "quantization_config": told["quantization_config"],
            "optimizers_config": {
                key: value for key, value in told["optimizer_config"].items() if value is not None
            },
        }

        result(ask("PUT", name, json=request))

        assert result(ask("GET", name))["config"] == told


FLAT = {"vectors": {"size": 2, "distance": "Dot"}}


def make(ask: Ask, name: str, count: int = 20, **config: Any) -> None:
    result(ask("PUT", name, json={**FLAT, **config}))
    put(ask, name, range(count))


def put(ask: Ask, name: str, numbers: range, **payload: Any) -> None:
    points = [
        {"id": each, "vector": [each, 1], "payload": {"n": each, "tag": "x", **payload}}
        for each in numbers
    ]
    if points:
        result(ask("PUT", f"{name}/points", json={"points": points}))


def snapshot_of(ask: Ask, name: str) -> bytes:
    made = result(ask("POST", f"{name}/snapshots"))
    content = ask("GET", f"{name}/snapshots/{made['name']}").content
    ask("DELETE", f"{name}/snapshots/{made['name']}")
    return content


def opened(archive: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(archive))


class TestAnArchive:
    def test_ends_within_with_its_last_member_and_outside_with_zeros(
        self, ask: Ask, name: str
    ) -> None:
        make(ask, name)

        outer = opened(snapshot := snapshot_of(ask, name))

        assert snapshot.endswith(bytes(1024))
        for member in outer.getmembers():
            if member.name.endswith(".tar"):
                content = outer.extractfile(member)
                assert content is not None
                last = opened(content.read()).getmembers()[-1]
                assert last.name == "snapshot/files/version.info"
                assert last.offset_data + 512 == member.size

    def test_has_the_files_that_a_server_writes(self, ask: Ask, name: str) -> None:
        make(ask, name)
        theirs = opened(Recorded("1.18.3", "dense").snapshot).getnames()

        ours = opened(snapshot_of(ask, name)).getnames()

        missing = {each for each in theirs if "/segments/" not in each} - set(ours)
        # Of its log the engine keeps one file, where a server keeps two.
        assert missing <= {"0/wal/open-2"}


class TestShards:
    def test_share_the_points_and_answer_as_one(self, ask: Ask, name: str, tmp_path: Path) -> None:
        make(ask, name, count=60, shard_number=3)

        cluster = result(ask("GET", f"{name}/cluster"))
        page = result(ask("POST", f"{name}/points/scroll", json={"limit": 7}))
        nearest = result(ask("POST", f"{name}/points/query", json={"query": [1, 0], "limit": 3}))
        unpacked = unpack_snapshot(
            io.BytesIO(snapshot_of(ask, name)), tmp_path / "out", max_bytes=1 << 40
        )

        counts = [each["points_count"] for each in cluster["local_shards"]]
        assert (sum(counts), min(counts) > 5) == (60, True)
        assert [each["id"] for each in page["points"]] == list(range(7))
        assert page["next_page_offset"] == 7
        assert [each["id"] for each in nearest["points"]] == [59, 58, 57]
        assert sorted(unpacked.shards) == [0, 1, 2]

    def test_come_back(self, ask: Ask, name: str) -> None:
        make(ask, name, count=60, shard_number=3)
        before, snapshot = scrolled(ask, name), snapshot_of(ask, name)
        result(ask("DELETE", name))

        result(upload(ask, name, snapshot))

        assert scrolled(ask, name) == before


class TestAnUploadOverACollection:
    def test_keeps_its_configuration_and_takes_the_points(self, ask: Ask, name: str) -> None:
        make(ask, name, count=5)
        snapshot = snapshot_of(ask, name)
        result(ask("DELETE", name))
        make(ask, name, count=9, hnsw_config={"m": 4}, metadata={"a": 1})

        result(upload(ask, name, snapshot))

        config = result(ask("GET", name))["config"]
        assert (config["hnsw_config"]["m"], config["metadata"]) == (4, {"a": 1})
        assert len(scrolled(ask, name)) == 5

    @pytest.mark.parametrize(
        "config", [{"shard_number": 2}, {"vectors": {"size": 3, "distance": "Dot"}}]
    )
    def test_of_other_shards_or_vectors_is_refused(
        self, config: dict[str, Any], ask: Ask, name: str
    ) -> None:
        make(ask, name)
        snapshot = snapshot_of(ask, name)
        result(ask("DELETE", name))
        result(ask("PUT", name, json={**FLAT, **config}))

        answer = upload(ask, name, snapshot)

        assert answer.status_code == 400
        assert "not compatible with existing collection" in answer.text


class TestAnUploadThatFails:
    def test_leaves_its_file_where_no_call_lists_it(
        self, server: QdrantStandIn, ask: Ask, name: str
    ) -> None:
        answer = upload(ask, name, b"nonsense" * 100)

        listed = ask("GET", f"{name}/snapshots").status_code
        left = server.data_dir / "snapshots" / name / "a.snapshot"
        assert (answer.status_code, listed, left.exists()) == (500, 404, True)

    def test_leaves_a_file_that_a_collection_of_that_name_lists_and_deletes(
        self, server: QdrantStandIn, ask: Ask, name: str
    ) -> None:
        upload(ask, name, b"nonsense" * 100)
        make(ask, name, count=0)

        listed = [each["name"] for each in result(ask("GET", f"{name}/snapshots"))]
        result(ask("DELETE", f"{name}/snapshots/a.snapshot"))

        assert listed == ["a.snapshot"]
        assert not (server.data_dir / "snapshots" / name / "a.snapshot").exists()

    def test_of_another_checksum_leaves_nothing(
        self, server: QdrantStandIn, ask: Ask, name: str
    ) -> None:
        answer = upload(ask, name, b"nonsense", checksum="0" * 64)

        assert answer.status_code == 400
        assert not (server.data_dir / "snapshots" / name).exists()


class TestAPayloadIndex:
    @pytest.mark.parametrize(
        "schema", ["keyword", {"type": "keyword", "is_tenant": True, "on_disk": True}]
    )
    def test_is_told_kept_in_a_snapshot_and_dropped(self, schema: Any, ask: Ask, name: str) -> None:
        make(ask, name)
        result(ask("PUT", f"{name}/index", json={"field_name": "tag", "field_schema": schema}))
        told = result(ask("GET", name))["payload_schema"]
        snapshot = snapshot_of(ask, name)
        result(ask("DELETE", f"{name}/index/tag"))
        dropped = result(ask("GET", name))["payload_schema"]
        result(ask("DELETE", name))

        result(upload(ask, name, snapshot))

        assert told["tag"]["data_type"] == "keyword"
        assert told["tag"]["points"] == 20
        assert dropped == {}
        assert result(ask("GET", name))["payload_schema"] == told

    def test_of_an_unknown_type_is_refused(self, ask: Ask, name: str) -> None:
        make(ask, name)

        answer = ask("PUT", f"{name}/index", json={"field_name": "n", "field_schema": "other"})

        assert answer.status_code == 400


class TestStrictMode:
    def test_can_be_put_on_a_collection_and_taken_off(self, ask: Ask, name: str) -> None:
        make(ask, name)
        strict = {"strict_mode_config": {"enabled": True, "max_query_limit": 2}}

        result(ask("PATCH", name, json=strict))
        refused = ask("POST", f"{name}/points/scroll", json={"limit": 3})
        result(ask("PATCH", name, json={"strict_mode_config": {"enabled": False}}))

        assert refused.status_code == 400
        assert result(ask("POST", f"{name}/points/scroll", json={"limit": 3}))["points"]

    def test_lets_a_filter_by_an_indexed_field_pass(self, ask: Ask, name: str) -> None:
        make(ask, name, strict_mode_config={"enabled": True, "unindexed_filtering_retrieve": False})
        body = {"filter": {"must": [{"key": "n", "match": {"value": 1}}]}}
        without = ask("POST", f"{name}/points/scroll", json=body)
        result(ask("PUT", f"{name}/index", json={"field_name": "n", "field_schema": "integer"}))

        assert without.status_code == 400
        assert len(result(ask("POST", f"{name}/points/scroll", json=body))["points"]) == 1

    def test_counts_every_point_that_is_asked_for_by_its_id(self, ask: Ask, name: str) -> None:
        make(ask, name, strict_mode_config={"enabled": True, "read_rate_limit": 2})

        many = ask("POST", f"{name}/points", json={"ids": [1, 2, 3]})
        two = ask("POST", f"{name}/points", json={"ids": [1, 2]})
        more = ask("POST", f"{name}/points", json={"ids": [1]})

        assert (many.status_code, two.status_code, more.status_code) == (429, 200, 429)
        assert "request larger than rate limiter capacity" in many.text
        assert "retry-after" not in many.headers
        assert more.headers["retry-after"] == "30"

    def test_counts_every_point_that_is_written(self, ask: Ask, name: str) -> None:
        make(ask, name, count=0, strict_mode_config={"enabled": True, "write_rate_limit": 5})
        put(ask, name, range(5))

        points = [{"id": 9, "vector": [1, 1]}]

        assert ask("PUT", f"{name}/points", json={"points": points}).status_code == 429


def test_writes_go_on_while_a_snapshot_is_made_and_what_is_inside_was_decided_before(
    server: QdrantStandIn, ask: Ask, name: str
) -> None:
    make(ask, name, count=10)
    inside: list[bytes] = []
    server.set_faults(create_delay_s=0.5, create_linger_s=1.5)
    maker = threading.Thread(target=lambda: inside.append(snapshot_of(ask, name)))
    try:
        maker.start()
        put(ask, name, range(10, 14))
        while 'snapshot_creation_running{id="' + name + '"} 1' not in _metrics(server):
            continue
        while not any((server.data_dir / "snapshots" / name).glob("*.snapshot")):
            continue
        put(ask, name, range(14, 30))
        maker.join()
    finally:
        server.set_faults()
    result(ask("DELETE", name))
    result(upload(ask, name, inside[0]))

    assert sorted(scrolled(ask, name)) == list(range(14))


def _metrics(server: QdrantStandIn) -> str:
    return httpx.get(f"{server.url}/metrics", trust_env=False, timeout=60).text
