"""A collection that is written to during its backup passes, and what is lost of it is found."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeCollection,
    QdrantServer,
    back_up,
    facts_in,
    make_source,
    sample_points,
    snapshot_in,
)
from onyx_pipelines_tests.restore.qdrant.test_recorded import drilled
from onyx_pipelines_tests.sources.qdrant.writer import a_writer

__all__ = ["make_source"]

Backed = tuple[bytes, CollectionFacts]
BackUp = Callable[..., Backed]


@pytest.fixture
def backed_up_under_a_writer(
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    make_source: Callable[..., object],
) -> BackUp:
    """Snapshot and facts of 300 points, of which 290 stay as they are; `options` of the source."""

    def make(**options: int) -> Backed:
        name = make_collection(points=300)
        with a_writer(qdrant_server, name):
            sink, _ = back_up(make_source(qdrant_server, name, **options))
        return snapshot_in(sink, name), facts_in(sink, name)

    return make


def changed(server: QdrantServer, backed: Backed, change: Callable[[str], object]) -> Backed:
    """The snapshot after a change of the collection that it makes."""
    snapshot, facts = backed
    name = f"{facts.collection}-changed"
    server.request(
        "POST", f"/collections/{name}/snapshots/upload", files={"snapshot": ("a", snapshot)}
    )
    try:
        change(name)
        made = server.client.create_snapshot(name)
        assert made is not None
        content = server.download(name, made.name)
    finally:
        server.client.delete_collection(name)
    digest = hashlib.sha256(content).hexdigest()
    return content, facts.model_copy(update={"snapshot_sha256": digest})


@pytest.mark.parametrize("options", [{}, {"all_up_to": 0, "sample_points": 250}])
def test_it_passes(
    options: dict[str, int], backed_up_under_a_writer: BackUp, tmp_path: Path
) -> None:
    snapshot, facts = backed_up_under_a_writer(**options)

    result = drilled(tmp_path, {"moving": (snapshot, facts)})

    assert facts.has_moved
    assert result.verdict is Verdict.PASSED, result.problems()
    assert any(each.message.startswith("moving: ") for each in result.findings)
    assert any("would have been seen (99% certain)" in each.limits for each in result.findings)


def test_the_loss_of_2_percent_is_found(
    backed_up_under_a_writer: BackUp, qdrant_server: QdrantServer, tmp_path: Path
) -> None:
    backed = backed_up_under_a_writer()
    lost = random.Random(7).sample(range(10, 300), 6)

    snapshot, facts = changed(
        qdrant_server,
        backed,
        lambda name: qdrant_server.client.delete(name, points_selector=lost, wait=True),
    )
    result = drilled(tmp_path, {"moving": (snapshot, facts)})

    said = {each.message for each in result.problems()}
    assert said == {f"point {each} is missing" for each in lost}


def test_one_point_that_came_back_as_another_is_found(
    backed_up_under_a_writer: BackUp, qdrant_server: QdrantServer, tmp_path: Path
) -> None:
    backed = backed_up_under_a_writer()
    other = sample_points(100)[99].model_copy(update={"vector": [0.5] * 8})

    snapshot, facts = changed(
        qdrant_server,
        backed,
        lambda name: qdrant_server.client.upsert(name, points=[other], wait=True),
    )
    result = drilled(tmp_path, {"moving": (snapshot, facts)})

    said = {each.message for each in result.problems()}
    assert said == {"point 99 has another vector or payload"}
