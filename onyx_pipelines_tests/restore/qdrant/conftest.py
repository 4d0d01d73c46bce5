"""Sets of Qdrant, or of what stands in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines_tests.fixtures_qdrant import (
    QdrantServer,
    faulty_collection,
    faulty_server,
    make_collection,
    make_faulty_collection,
    make_source,
    qdrant_server,
    standin,
    standin_process,
)
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

__all__ = [
    "faulty_collection",
    "faulty_server",
    "faulty_sets",
    "make_collection",
    "make_faulty_collection",
    "make_source",
    "qdrant_server",
    "sets",
    "standin",
    "standin_process",
]


@pytest.fixture
def sets(tmp_path: Path, qdrant_server: QdrantServer) -> QdrantSets:
    return sets_in(tmp_path, qdrant_server)


@pytest.fixture
def faulty_sets(tmp_path: Path, faulty_server: QdrantServer) -> QdrantSets:
    """Of the stand-in, whatever QDRANT_TEST_URL says."""
    return sets_in(tmp_path, faulty_server)


def sets_in(root: Path, server: QdrantServer) -> QdrantSets:
    for folder in ("state", "store"):
        (root / folder).mkdir(mode=0o700)
    return QdrantSets(root, server)
