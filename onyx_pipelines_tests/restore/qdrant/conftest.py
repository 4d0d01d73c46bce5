"""Sets of Qdrant, or of what stands in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines_tests.fixtures_qdrant import (
    QdrantServer,
    make_collection,
    qdrant_server,
    standin,
    standin_process,
)
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

__all__ = ["make_collection", "qdrant_server", "sets", "standin", "standin_process"]


@pytest.fixture
def sets(tmp_path: Path, qdrant_server: QdrantServer) -> QdrantSets:
    for folder in ("state", "store"):
        (tmp_path / folder).mkdir(mode=0o700)
    return QdrantSets(tmp_path, qdrant_server)
