"""A restore that is killed at any of its steps loses nothing, and the next one cleans up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onyx_pipelines_tests.fixtures_qdrant import MakeCollection, QdrantServer

pytestmark = pytest.mark.slow


def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_run_completes(
    tmp_path: Path, qdrant_server: QdrantServer, make_collection: MakeCollection
) -> None:
    program = "onyx_pipelines_tests.restore.qdrant.kill_every_step"
    name = make_collection(points=20)

    done = subprocess.run(
        [sys.executable, "-m", program, tmp_path, qdrant_server.url, qdrant_server.api_key, name],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 8
