"""A key that may not restore is told before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.qdrant_standin.access import make_token
from onyx_pipelines_tests.fixtures_qdrant import (
    DIMENSIONS,
    QdrantServer,
    open_client,
    sample_points,
)
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

_KEY = "the-admins-key"
_NAME = "notes"


def test_it_is_refused_and_the_right_one_named(tmp_path: Path) -> None:
    for folder in ("state", "store"):
        (tmp_path / folder).mkdir(mode=0o700)
    with (
        QdrantStandIn(tmp_path / "standin", api_key=_KEY) as standin,
        open_client(standin.url, _KEY) as client,
    ):
        vectors = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
        client.create_collection(_NAME, vectors_config=vectors)
        client.upsert(_NAME, points=sample_points(3), wait=True)
        objects = QdrantSets(tmp_path, QdrantServer(standin.url, _KEY, client)).of(_NAME)
        client.delete(_NAME, points_selector=[1], wait=True)
        key = make_token(_KEY, [{"collection": _NAME, "access": "rw"}])

        with pytest.raises(SourceError, match="may not make, restore and drop") as caught:
            QdrantSets(tmp_path, QdrantServer(standin.url, key, client)).restore(objects)

        assert "`m`" in caught.value.remedy
        assert [each.name for each in client.get_collections().collections] == [_NAME]
        assert client.count(_NAME).count == 2
