"""What was streamed is whole: Qdrant's own engine opens it and finds every point as it was."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from qdrant_client import models

from onyx_pipelines.sources.qdrant.snapshot_archive import unpack_snapshot
from onyx_pipelines_tests.fixtures_qdrant import (
    DIMENSIONS,
    MakeCollection,
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    sample_points,
    snapshot_in,
)

# In a process of its own: the engine keeps the interpreter's lock, and a fault in it ends all.
_PROGRAM = """
import json, sys, uuid
import qdrant_edge as edge
from onyx_pipelines.sources.qdrant.facts import point_fingerprint

def identity(text):
    return text if isinstance(text, int) else uuid.UUID(text)

shard = edge.EdgeShard.load(sys.argv[1])
ids = [identity(each) for each in json.loads(sys.argv[2])]
found = shard.retrieve(ids, with_payload=True, with_vector=True)
print(json.dumps({
    "count": shard.count(edge.CountRequest(exact=True)),
    "points": {str(each.id): point_fingerprint(each.vector, each.payload) for each in found},
}))
shard.close()
"""


def _opened(shard: Path, ids: list[int | str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(shard), json.dumps(ids)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    opened: dict[str, Any] = json.loads(done.stdout)
    return opened


def _restored(
    server: QdrantServer, name: str, source: MakeSource, directory: Path
) -> tuple[dict[str, Any], dict[str, str], int]:
    """What the engine finds, what the sample says, and the count."""
    sink, _ = back_up(source(server, name))
    facts = facts_in(sink, name)
    archive = io.BytesIO(snapshot_in(sink, name))
    unpacked = unpack_snapshot(archive, directory / "unpacked", max_bytes=1 << 30)
    ids = [each.id for each in facts.sample]
    opened = _opened(unpacked.directory / "0", ids)
    return opened, {str(each.id): each.fingerprint for each in facts.sample}, facts.points_after


def test_a_collection_has_its_count_and_the_sampled_points(
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    make_source: MakeSource,
    tmp_path: Path,
) -> None:
    name = make_collection(points=300)

    opened, sample, count = _restored(qdrant_server, name, make_source, tmp_path)

    assert opened == {"count": count, "points": sample}
    assert (count, len(sample)) == (300, 300)


def test_named_vectors_and_uuids_have_their_count_and_the_sampled_points(
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    make_source: MakeSource,
    tmp_path: Path,
) -> None:
    params = models.VectorParams(size=2, distance=models.Distance.EUCLID)
    points = [
        models.PointStruct(
            id=f"5c56c793-69f3-4fbf-87e6-c4bf54c28c{number:02x}",
            vector={"one": [number / 7, -1.0], "two": [0.1, number / 3]},
            payload={"n": number, "nested": {"text": "ß", "none": None, "float": 0.1}},
        )
        for number in range(40)
    ]
    name = make_collection(points=points, vectors={"one": params, "two": params})

    opened, sample, count = _restored(qdrant_server, name, make_source, tmp_path)

    assert opened == {"count": count, "points": sample}
    assert count == len(sample) == 40


def test_the_latest_updates_and_deletions_are_in_it(
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    make_source: MakeSource,
    tmp_path: Path,
) -> None:
    name = make_collection(points=50)
    changed = models.PointStruct(id=1, vector=[0.25] * DIMENSIONS, payload={"changed": True})
    qdrant_server.client.upsert(name, points=[changed, *sample_points(55)[50:]], wait=True)
    qdrant_server.client.delete(name, models.PointIdsList(points=[2, 3]), wait=True)

    opened, sample, count = _restored(qdrant_server, name, make_source, tmp_path)

    assert opened == {"count": count, "points": sample}
    assert count == 53
    assert "1" in sample
    assert {"2", "3"}.isdisjoint(sample)
