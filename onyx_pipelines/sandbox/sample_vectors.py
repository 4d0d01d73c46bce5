"""Sample vectors that look like the product's: chunks of documents, and the chat's memory."""

from __future__ import annotations

import random
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing

from qdrant_client import QdrantClient, models

DIMENSIONS = 384
_BATCH = 500
_TOPICS = 24


def load_sample_vectors(url: str, *, api_key: str = "", documents: int = 2000) -> None:
    """Make and fill `documents` and `chat_memory`, with the alias `knowledge`, unless they exist.

    Args:
        documents: chunks in `documents`; `chat_memory` has a tenth of that.
    """
    with warnings.catch_warnings():
        # Over plain http on loopback.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        client = QdrantClient(
            url=url, api_key=api_key or None, timeout=60, check_compatibility=False
        )
    with closing(client):
        if client.collection_exists("documents"):
            return
        for name, count in (("documents", documents), ("chat_memory", max(documents // 10, 1))):
            client.create_collection(
                name,
                vectors_config=models.VectorParams(
                    size=DIMENSIONS, distance=models.Distance.COSINE
                ),
            )
            for batch in _batches(name, count):
                client.upsert(name, points=batch, wait=True)
        alias = models.CreateAlias(collection_name="documents", alias_name="knowledge")
        client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])


def _batches(name: str, count: int) -> Iterator[list[models.PointStruct]]:
    chance = random.Random(name)  # noqa: S311  (sample data, the same every time)
    topics = [[chance.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(_TOPICS)]
    for start in range(0, count, _BATCH):
        yield [
            _point(name, number, topics, chance)
            for number in range(start, min(start + _BATCH, count))
        ]


def _point(
    name: str, number: int, topics: list[list[float]], chance: random.Random
) -> models.PointStruct:
    topic = topics[number % _TOPICS]
    return models.PointStruct(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}")),
        vector=[value + 0.3 * chance.random() for value in topic],
        payload={
            "document_id": f"document-{number // 8}",
            "title": f"Document {number // 8}",
            "chunk": number % 8,
            "source": f"source-{number % 7}",
            "created_at": f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T00:00:00Z",
        },
    )
