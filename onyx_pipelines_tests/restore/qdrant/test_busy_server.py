"""A server that limits the rate of uploads is waited for, and each upload begins anew."""

from __future__ import annotations

from onyx_pipelines.core.progress import Progress
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets


def test_an_upload_that_comes_too_soon_is_sent_again(
    faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
) -> None:
    objects = faulty_sets.of(faulty_collection)
    faulty_sets.server.client.delete_collection(faulty_collection)
    standin.set_faults(busy_times=1, busy_path="/snapshots/upload")
    told: list[Progress] = []

    result = faulty_sets.restore(objects, progress=told.append)

    assert result.verdict is Verdict.PASSED, result.problems()
    assert max(each.done_bytes for each in told) == result.plain_bytes
