"""The sample vectors are the same every time, and come to a stand-in that asks for a key."""

from __future__ import annotations

from pathlib import Path

from qdrant_client import models

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.sample_vectors import DIMENSIONS, load_sample_vectors
from onyx_pipelines.sources.qdrant.facts import point_fingerprint
from onyx_pipelines_tests.fixtures_qdrant import open_client

KEY = "sample-key"


def load(state_dir: Path) -> tuple[set[str], dict[str, int], dict[str, str]]:
    """Points of `documents`, counts by collection, aliases; loaded twice, which is once."""
    with QdrantStandIn(state_dir, api_key=KEY) as server:
        load_sample_vectors(server.url, api_key=KEY, documents=60)
        load_sample_vectors(server.url, api_key=KEY, documents=60)
        with open_client(server.url, KEY) as client:
            found, _ = client.scroll("documents", limit=1000, with_vectors=True)
            points = {point_fingerprint(each.vector, each.payload) for each in found}
            counts = {name: client.count(name).count for name in ("documents", "chat_memory")}
            aliases = client.get_aliases().aliases
            vectors = client.get_collection("documents").config.params.vectors
            assert isinstance(vectors, models.VectorParams)
            assert vectors.size == DIMENSIONS
            return points, counts, {each.alias_name: each.collection_name for each in aliases}


def test_they_are_the_same_every_time(tmp_path: Path) -> None:
    first, counts, aliases = load(tmp_path / "first")
    second, _, _ = load(tmp_path / "second")

    assert first == second
    assert len(first) == 60
    assert counts == {"documents": 60, "chat_memory": 6}
    assert aliases == {"knowledge": "documents"}
