"""One process of the engine answers for all collections, and another one if it dies."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import signal
import threading
from pathlib import Path
from typing import cast

import pytest
import qdrant_edge as edge

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.collections import CollectionObjects
from onyx_pipelines.restore.qdrant.configuration import index_types
from onyx_pipelines.restore.qdrant.drilling import beyond_the_engine
from onyx_pipelines.restore.qdrant.edge_engine import EdgeEngine
from onyx_pipelines.restore.qdrant.edge_process import ValuesOfIndexes
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeRequest
from onyx_pipelines.restore.qdrant.versions import ENGINE_READS
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.qdrant.snapshot_archive import (
    Shard,
    UnknownFormError,
    UnpackedSnapshot,
    unpack_snapshot,
)
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines_tests.recorded_qdrant import Recorded
from onyx_pipelines_tests.restore.qdrant.damaged_archives import spans, with_content
from onyx_pipelines_tests.restore.qdrant.test_recorded import drilled

pytestmark = pytest.mark.slow

DENSE = Recorded("1.18.3", "dense")


def request(directory: Path) -> EdgeRequest:
    unpack_snapshot(io.BytesIO(DENSE.snapshot), directory, max_bytes=1 << 40)
    return EdgeRequest(
        shards=(str(directory / "0"),), ids=(), all_up_to=100, vector=None, using="", top_k=0
    )


def engines() -> list[int]:
    """Processes of the engine that are children of this one."""
    found = []
    for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"edge_process" in command:
            found.append(int(pid))
    return found


class TestTheProcess:
    def test_is_one_for_all(self, tmp_path: Path) -> None:
        with EdgeEngine(timeout_s=60) as engine:
            counts = [engine.ask(request(tmp_path / str(number))).count for number in range(3)]
            running = engines()

        assert (counts, len(running)) == ([60] * 3, 1)
        assert engines() == []

    def test_is_one_for_all_collections_of_a_drill(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        starts: list[EdgeEngine] = []
        start = EdgeEngine._started
        monkeypatch.setattr(EdgeEngine, "_started", lambda it: starts.append(it) or start(it))

        result = drilled(
            tmp_path, {name: (DENSE.snapshot, DENSE.facts(collection=name)) for name in "abc"}
        )

        assert (result.verdict, len(starts)) == (Verdict.PASSED, 1)

    def test_is_another_one_after_it_died(self, tmp_path: Path) -> None:
        with EdgeEngine(timeout_s=60) as engine:
            engine.ask(request(tmp_path / "one"))
            (first,) = engines()
            os.kill(first, signal.SIGSTOP)
            threading.Timer(0.3, os.kill, (first, signal.SIGKILL)).start()

            with pytest.raises(UnknownFormError, match="it died"):
                engine.ask(request(tmp_path / "two"))
            again = engine.ask(request(tmp_path / "three"))
            (second,) = engines()

        assert again.count == 60
        assert second != first

    def test_goes_on_after_a_shard_that_it_refuses(self, tmp_path: Path) -> None:
        broken = request(tmp_path / "broken")
        (next((tmp_path / "broken").rglob("segment.json"))).write_text("{}")
        with EdgeEngine(timeout_s=60) as engine:
            with pytest.raises(UnknownFormError, match="cannot open the snapshot"):
                engine.ask(broken)
            (first,) = engines()

            assert engine.ask(request(tmp_path / "good")).count == 60
            assert engines() == [first]

    def test_that_takes_too_long_is_ended(self, tmp_path: Path) -> None:
        with EdgeEngine(timeout_s=0) as engine:
            with pytest.raises(RestoreError, match="was not done after 0 s"):
                engine.ask(request(tmp_path / "one"))

            assert engines() == []


class TestAPayloadIndex:
    INDEXED = Recorded("1.18.3", "indexed")

    def wrong(self, directory: Path, damage: str = "") -> tuple[str, ...]:
        """Of the collection with indexes, after its files of that name were damaged."""
        unpack_snapshot(io.BytesIO(self.INDEXED.snapshot), directory, max_bytes=1 << 40)
        for path in directory.rglob("*/page_0.dat"):
            if damage and damage in str(path):
                content = path.read_bytes()
                path.write_bytes(bytes(each ^ 1 for each in content[:256]) + content[256:])
        asked = EdgeRequest(
            shards=(str(directory / "0"),),
            ids=(),
            all_up_to=100,
            indexes=index_types(self.INDEXED.facts()),
            vector=None,
            using="",
            top_k=0,
        )
        with EdgeEngine(timeout_s=60) as engine:
            return engine.ask(asked).wrong_indexes

    def test_finds_what_is_in_the_payloads(self, tmp_path: Path) -> None:
        assert self.wrong(tmp_path / "out") == ()

    def test_of_integers_holds_none_that_need_more_than_63_bits(self, tmp_path: Path) -> None:
        """A payload may, and no condition can name them: the engine would refuse the collection."""
        vectors = edge.EdgeVectorParams(size=2, distance=edge.Distance.Dot)
        shard = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors=vectors))
        payloads = [{"n": 2**64 - 1}, {"n": [7, 2**63]}, {"n": -(2**63)}]
        points = [edge.Point(id=n, vector=[1.0, 0.0], payload=p) for n, p in enumerate(payloads)]
        shard.update(edge.UpdateOperation.upsert_points(points))
        kind = edge.PayloadSchemaType.Integer
        shard.update(edge.UpdateOperation.create_field_index("n", kind))
        values = ValuesOfIndexes({"n": "integer"})

        for each in payloads:
            values.see(each)

        assert values.wrong([shard]) == ()

    def test_that_finds_something_else_is_named(self, tmp_path: Path) -> None:
        assert self.wrong(tmp_path / "out", damage="-page-map") == ("page",)


def without(name: str) -> bytes:
    """The archive without a file of its first segment."""
    archive = DENSE.snapshot
    (segment, *_) = spans(archive)
    inner = archive[segment.content : segment.end]
    (gone,) = (each for each in spans(inner) if each.name.endswith(name))
    return with_content(archive, segment, inner[: gone.header] + inner[gone.end :])


def verdict_of(archive: bytes, server_version: str, root: Path) -> tuple[Verdict, str]:
    facts = DENSE.facts(
        server_version=server_version, snapshot_sha256=hashlib.sha256(archive).hexdigest()
    )
    result = drilled(root, {"dense": (archive, facts)})
    return result.verdict, " ".join(each.message for each in result.problems())


class TestAServerOfAVersion:
    @pytest.mark.parametrize("version", ["1.21.0", "2.0.1", "1.15.2", "something"])
    def test_that_the_engine_may_not_read_is_not_verified_where_it_cannot(
        self, version: str, tmp_path: Path
    ) -> None:
        verdict, said = verdict_of(without("segment.json"), version, tmp_path)

        assert verdict is Verdict.COULD_NOT_VERIFY
        assert f"The snapshot is of Qdrant {version}" in said
        assert "reads Qdrant 1.16 to 1.20" in said
        assert "ONYX_DRILL_QDRANT_URL" in said

    @pytest.mark.parametrize("version", ["1.21.0", "1.15.2"])
    def test_that_it_may_not_read_passes_where_it_can(self, version: str, tmp_path: Path) -> None:
        assert verdict_of(DENSE.snapshot, version, tmp_path) == (Verdict.PASSED, "")

    def test_that_it_may_misread_is_not_verified_where_points_differ(self, tmp_path: Path) -> None:
        facts = DENSE.facts(server_version="1.21.0", points_before=61, points_after=61)

        result = drilled(tmp_path, {"dense": (DENSE.snapshot, facts)})

        assert result.verdict is Verdict.COULD_NOT_VERIFY

    def test_that_keeps_data_in_rocksdb_is_not_verified_where_points_differ(self) -> None:
        unpacked = UnpackedSnapshot(Path(), {}, {0: Shard(["s"], is_local=True, has_rocksdb=True)})
        missing = Finding(
            verdict=Verdict.FAILED, item="dense", aspect="points", message="points are missing"
        )
        other = Finding(
            verdict=Verdict.FAILED, item="dense", aspect="config", message="hnsw_config.m differs"
        )
        record = cast("ObjectRecord", None)
        collection = CollectionObjects("dense", record, DENSE.facts())

        findings = beyond_the_engine(collection, unpacked, [missing, other])

        assert [each.verdict for each in findings] == [Verdict.FAILED, Verdict.COULD_NOT_VERIFY]
        assert findings[0] == other
        assert "RocksDB, which the engine leaves out; points are missing" in findings[1].message

    def test_that_it_reads_fails_where_it_cannot(self, tmp_path: Path) -> None:
        verdict, _ = verdict_of(without("segment.json"), "1.20.3", tmp_path)

        assert verdict is Verdict.FAILED

    def test_that_it_may_not_read_fails_where_the_archive_is_cut(self, tmp_path: Path) -> None:
        verdict, said = verdict_of(DENSE.snapshot[:-5000], "1.21.0", tmp_path)

        assert (verdict, "is not good" in said) == (Verdict.FAILED, True)


def test_the_version_that_the_engine_is_said_to_read_is_the_one_that_it_is_built_of() -> None:
    files = importlib.metadata.files("qdrant-edge-py") or []
    (bill,) = (each for each in files if each.name.endswith(".cyclonedx.json"))
    components = json.loads(bill.read_text(encoding="utf-8"))["components"]

    (api,) = (each["version"] for each in components if each["name"] == "api")

    assert tuple(int(part) for part in api.split(".")[:2]) == ENGINE_READS[1]
