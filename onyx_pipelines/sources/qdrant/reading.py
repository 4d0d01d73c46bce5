"""Reads the facts of a collection from a running server, through qdrant-client."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from onyx_pipelines.sources.qdrant.facts import (
    Json,
    Neighbour,
    PointFacts,
    QueryFacts,
    point_fingerprint,
)

if TYPE_CHECKING:
    # Most of a command's start-up: imported where it is used.
    from qdrant_client import QdrantClient, models

_TOP_K = 10


@contextmanager
def open_client(url: str, api_key: SecretStr, *, timeout_s: float) -> Iterator[QdrantClient]:
    """qdrant-client with a timeout of its own (its default is 5 s); it connects at first use."""
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        # That a key goes over plain http on a Docker network is the operator's choice.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        client = QdrantClient(
            url=url,
            api_key=api_key.get_secret_value() or None,
            timeout=max(1, round(timeout_s)),
            check_compatibility=False,
        )
    try:
        yield client
    finally:
        client.close()


def collection_names(client: QdrantClient) -> list[str]:
    return sorted(each.name for each in client.get_collections().collections)


def all_aliases(client: QdrantClient) -> dict[str, str]:
    """Collection by alias."""
    return {each.alias_name: each.collection_name for each in client.get_aliases().aliases}


def shards_elsewhere(client: QdrantClient, collection: str) -> list[int]:
    """Shards that live on other nodes only: this node's snapshot does not hold them."""
    found = client.collection_cluster_info(collection)
    here = {shard.shard_id for shard in found.local_shards}
    return sorted({shard.shard_id for shard in found.remote_shards} - here)


def exact_count(client: QdrantClient, collection: str) -> int:
    return client.count(collection, exact=True).count


def configuration(client: QdrantClient, collection: str) -> tuple[Json, Json]:
    """The collection's configuration and its payload schema, as plain JSON values."""
    info = client.get_collection(collection)
    schema = {
        name: each.model_dump(mode="json", exclude={"points"}, exclude_none=True)
        for name, each in info.payload_schema.items()
    }
    return info.config.model_dump(mode="json", exclude_none=True), schema


def random_points(client: QdrantClient, collection: str, limit: int) -> tuple[PointFacts, ...]:
    """A random sample with content (Qdrant 1.11 and later)."""
    if limit == 0:
        return ()
    from qdrant_client import models

    found = client.query_points(
        collection,
        query=models.SampleQuery(sample=models.Sample.RANDOM),
        limit=limit,
        with_payload=True,
        with_vectors=True,
    )
    return _facts_of(found.points)


def unchanged_points(
    client: QdrantClient, collection: str, sample: Sequence[PointFacts]
) -> tuple[PointFacts, ...]:
    """Those of the sample that are still there with the same content."""
    now = set(points_with(client, collection, [point.id for point in sample]))
    return tuple(point for point in sample if point in now)


def points_with(
    client: QdrantClient, collection: str, ids: Sequence[int | str]
) -> tuple[PointFacts, ...]:
    """The points with these ids, as far as they are there."""
    if not ids:
        return ()
    return _facts_of(
        client.retrieve(collection, ids=list(ids), with_payload=True, with_vectors=True)
    )


def stored_query(client: QdrantClient, collection: str) -> QueryFacts | None:
    """One exact search by the vector of a random point; None where there is none to search by."""
    from qdrant_client import models

    found = client.query_points(
        collection,
        query=models.SampleQuery(sample=models.Sample.RANDOM),
        limit=1,
        with_payload=False,
        with_vectors=True,
    ).points
    using, vector = _dense_vector(_plain(found[0].vector)) if found else ("", ())
    if not vector:
        return None
    return QueryFacts(
        vector=vector, using=using, neighbours=search(client, collection, vector, using)
    )


def unchanged_query(
    client: QdrantClient, collection: str, query: QueryFacts | None
) -> QueryFacts | None:
    """The query, if it still finds the same."""
    if query is None:
        return None
    now = search(client, collection, query.vector, query.using)
    return query if now == query.neighbours else None


def search(
    client: QdrantClient, collection: str, vector: Sequence[float], using: str
) -> tuple[Neighbour, ...]:
    """The nearest points, best first; exact, so that the answer does not depend on an index."""
    from qdrant_client import models

    found = client.query_points(
        collection,
        query=list(vector),
        using=using or None,
        limit=_TOP_K,
        search_params=models.SearchParams(exact=True),
        with_payload=False,
    )
    return tuple(Neighbour(id=_id(point.id), score=point.score) for point in found.points)


def _dense_vector(vectors: object) -> tuple[str, tuple[float, ...]]:
    """The name and the numbers of the first dense vector; no numbers where there is none."""
    named = vectors if isinstance(vectors, dict) else {"": vectors}
    for name in sorted(named):
        numbers = named[name]
        if isinstance(numbers, list) and numbers and isinstance(numbers[0], (int, float)):
            return name, tuple(float(number) for number in numbers)
    return "", ()


def _facts_of(
    points: Sequence[models.ScoredPoint] | Sequence[models.Record],
) -> tuple[PointFacts, ...]:
    return tuple(
        PointFacts(
            id=_id(point.id),
            fingerprint=point_fingerprint(_plain(point.vector), point.payload),
        )
        for point in points
    )


def _plain(vector: object) -> object:
    """Without qdrant-client's own types."""
    from qdrant_client import models

    if isinstance(vector, models.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    if isinstance(vector, dict):
        return {name: _plain(each) for name, each in vector.items()}
    return vector


def _id(identity: object) -> int | str:
    return identity if isinstance(identity, int) else str(identity)
