"""Somebody who writes to a collection, and deletes, without a pause."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from onyx_pipelines_tests.fixtures_qdrant import QdrantServer, sample_points


@contextmanager
def a_writer(server: QdrantServer, name: str) -> Iterator[None]:
    """Changes points 0 to 9, deletes and writes those from 1000 on, until the block ends."""
    stopped = threading.Event()

    def write() -> None:
        round_ = 0
        while not stopped.is_set():
            round_ += 1
            changed = [
                each.model_copy(update={"payload": {"round": round_}}) for each in sample_points(10)
            ]
            coming = [
                each.model_copy(update={"id": 1000 + round_ * 10 + n})
                for n, each in enumerate(sample_points(3))
            ]
            server.client.upsert(name, points=[*changed, *coming], wait=True)
            server.client.delete(name, points_selector=[each.id for each in coming], wait=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stopped.set()
        writer.join()
