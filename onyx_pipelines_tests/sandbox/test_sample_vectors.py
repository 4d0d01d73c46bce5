"""The sample vectors are the same every time, and come to a stand-in that asks for a key."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.sample_vectors import DIMENSIONS, load_sample_vectors
from onyx_pipelines.sources.qdrant.facts import PointFacts
from onyx_pipelines.sources.qdrant.reading import (
    all_aliases,
    configuration,
    exact_count,
    open_client,
    random_points,
)

KEY = "sample-key"


def load(state_dir: Path) -> tuple[set[PointFacts], dict[str, int], dict[str, str]]:
    """Points of `documents`, counts by collection, aliases; loaded twice, which is once."""
    with QdrantStandIn(state_dir, api_key=KEY) as server:
        load_sample_vectors(server.url, api_key=KEY, documents=60)
        load_sample_vectors(server.url, api_key=KEY, documents=60)
        with open_client(server.url, SecretStr(KEY), timeout_s=30) as client:
            points = set(random_points(client, "documents", 1000))
            counts = {name: exact_count(client, name) for name in ("documents", "chat_memory")}
            config, _ = configuration(client, "documents")
            assert config["params"]["vectors"]["size"] == DIMENSIONS
            return points, counts, all_aliases(client)


def test_they_are_the_same_every_time(tmp_path: Path) -> None:
    first, counts, aliases = load(tmp_path / "first")
    second, _, _ = load(tmp_path / "second")

    assert first == second
    assert len(first) == 60
    assert counts == {"documents": 60, "chat_memory": 6}
    assert aliases == {"knowledge": "documents"}
