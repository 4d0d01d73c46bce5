"""The session's Qdrant, for every test of this folder."""

from __future__ import annotations

from onyx_pipelines_tests.fixtures_qdrant import (
    faulty_collection,
    faulty_server,
    make_collection,
    make_source,
    qdrant_server,
    standin,
    standin_process,
)

__all__ = [
    "faulty_collection",
    "faulty_server",
    "make_collection",
    "make_source",
    "qdrant_server",
    "standin",
    "standin_process",
]
