"""Reads the facts of a collection from a running server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import SecretStr
from qdrant_client import QdrantClient, models

from onyx_pipelines.sources.qdrant.facts import (
    Json,
    Neighbour,
    PointFacts,
    QueryFacts,
    point_fingerprint,
)

_TOP_K = 10


@contextmanager
def open_client(url: str, api_key: SecretStr, *, timeout_s: float) -> Iterator[QdrantClient]:
    """qdrant-client with a timeout of its own: its default is 5 s."""
    with warnings.catch_warnings():
        # That a key goes over plain http on a Docker network is the operator's choice.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        warnings.filterwarnings("ignore", message=".*check.*version.*|Failed to obtain server.*")
        client = QdrantClient(
            url=url,
            api_key=api_key.get_secret_value() or None,
            timeout=int(timeout_s),
            check_compatibility=False,
        )
    try:
        yield client
    finally:
        client.close()


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


def random_points(client: QdrantClient, collection: str, limit: int) -> list[PointFacts]:
    """A random sample with content (Qdrant 1.11 and later)."""
    if limit == 0:
        return []
    found = client.query_points(
        collection,
        query=models.SampleQuery(sample=models.Sample.RANDOM),
        limit=limit,
        with_payload=True,
        with_vectors=True,
    )
    return _facts_of(found.points)


def points_by_id(
    client: QdrantClient, collection: str, ids: Sequence[int | str]
) -> list[PointFacts]:
    if not ids:
        return []
    return _facts_of(
        client.retrieve(collection, ids=list(ids), with_payload=True, with_vectors=True)
    )


def stored_query(client: QdrantClient, collection: str) -> QueryFacts | None:
    """One exact search by the vector of a random point; None where there is none to search by."""
    found = client.query_points(
        collection,
        query=models.SampleQuery(sample=models.Sample.RANDOM),
        limit=1,
        with_vectors=True,
    ).points
    vectors = found[0].vector if found else None
    using = ""
    if isinstance(vectors, dict):
        dense = sorted(name for name, each in vectors.items() if _is_dense(each))
        using = dense[0] if dense else ""
        vectors = vectors.get(using)  # type: ignore[assignment]  # its own union of unions
    if not _is_dense(vectors):
        return None
    vector = [float(value) for value in vectors]  # type: ignore[union-attr, arg-type]
    return QueryFacts(
        vector=tuple(vector), using=using, neighbours=search(client, collection, vector, using)
    )


def search(
    client: QdrantClient, collection: str, vector: Sequence[float], using: str
) -> tuple[Neighbour, ...]:
    """Exact, so that the answer does not depend on an index."""
    found = client.query_points(
        collection,
        query=list(vector),
        using=using or None,
        limit=_TOP_K,
        search_params=models.SearchParams(exact=True),
        with_payload=False,
    )
    return tuple(Neighbour(id=_id(point.id), score=point.score) for point in found.points)


def _is_dense(vector: object) -> bool:
    return isinstance(vector, list) and bool(vector) and isinstance(vector[0], (int, float))


def _facts_of(points: Sequence[models.ScoredPoint] | Sequence[models.Record]) -> list[PointFacts]:
    return [
        PointFacts(
            id=_id(point.id),
            fingerprint=point_fingerprint(_plain(point.vector), point.payload),
        )
        for point in points
    ]


def _plain(vector: object) -> object:
    if isinstance(vector, models.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    if isinstance(vector, dict):
        return {name: _plain(each) for name, each in vector.items()}
    return vector


def _id(identity: object) -> int | str:
    return identity if isinstance(identity, int) else str(identity)
