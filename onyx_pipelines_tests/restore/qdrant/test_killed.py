"""A restore that is killed at any of its steps loses nothing, and the next one cleans up."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines_tests.fixtures_qdrant import MakeCollection, QdrantServer, set_alias
from onyx_pipelines_tests.restore.killing import kills_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.thorough]


def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_run_completes(
    tmp_path: Path,
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    standin_process: QdrantStandIn,
) -> None:
    name = make_collection(points=20)
    set_alias(qdrant_server, f"{name}-live", name)
    is_here = qdrant_server.url == standin_process.url
    snapshots = standin_process.data_dir / "snapshots" if is_here else ""
    of_server = (qdrant_server.url, qdrant_server.api_key, name, snapshots)

    assert kills_of("qdrant.kill_every_step", tmp_path, *of_server) >= 8


def test_a_kill_while_the_server_unpacks_leaves_a_file_until_the_next_run(
    tmp_path: Path, faulty_collection: str, standin: QdrantStandIn
) -> None:
    arguments = (tmp_path, standin.data_dir.parent, faulty_collection)

    assert kills_of("qdrant.kill_while_unpacking", *arguments) == 1
