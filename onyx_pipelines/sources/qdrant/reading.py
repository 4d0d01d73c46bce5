"""Reads the facts of a collection from a running server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.condition import withheld
from onyx_pipelines.sources.qdrant.facts import Json, Neighbour, QueryFacts
from onyx_pipelines.sources.qdrant.failures import RefusedError
from onyx_pipelines.sources.qdrant.looking import Limits
from onyx_pipelines.sources.qdrant.patience import Patience

_TOP_K: Final = 10
_POLL_S: Final = 0.2


def settled_info(api: CollectionApi, collection: str, patience: Patience, within_s: float) -> Json:
    """What the server tells of it when it withholds nothing any more, or has not got there in
    time."""
    deadline = time.monotonic() + within_s
    while True:
        info = api.info(collection)
        if not withheld(info) or time.monotonic() >= deadline:
            return info
        if not patience.sleep(_POLL_S, collection):
            return info


def payload_schema(info: Mapping[str, Any]) -> Json:
    """Of the payload indexes; how many points are in each is no part of it."""
    return {
        name: {key: value for key, value in each.items() if key != "points"}
        for name, each in info.get("payload_schema", {}).items()
    }


def stored_query(api: CollectionApi, collection: str, limits: Limits) -> QueryFacts | None:
    """One exact search by the vector of a random point; None where there is none to search by, or
    the collection does not allow it."""
    if not limits.allows_exact:
        return None
    body = {"query": {"sample": "random"}, "limit": 1, "with_vector": True}
    try:
        found = api.query(collection, body)
        using, vector = _dense_vector(found[0].get("vector")) if found else ("", ())
        if not vector:
            return None
        top_k = min(_TOP_K, limits.page or _TOP_K)
        neighbours = search(api, collection, vector, using, top_k)
    except RefusedError:
        return None
    return QueryFacts(vector=vector, using=using, neighbours=neighbours) if neighbours else None


def unchanged_query(
    api: CollectionApi, collection: str, query: QueryFacts | None
) -> QueryFacts | None:
    """The query, if it still finds the same."""
    if query is None:
        return None
    try:
        now = search(api, collection, query.vector, query.using, len(query.neighbours))
    except RefusedError:
        return None
    return query if now == query.neighbours else None


def search(
    api: CollectionApi, collection: str, vector: Sequence[float], using: str, top_k: int
) -> tuple[Neighbour, ...]:
    """The nearest points, best first; exact, so that the answer does not depend on an index."""
    body: Json = {"query": list(vector), "limit": top_k, "params": {"exact": True}}
    if using:
        body["using"] = using
    found = api.query(collection, body)
    return tuple(Neighbour(id=each["id"], score=each["score"]) for each in found)


def _dense_vector(vectors: object) -> tuple[str, tuple[float, ...]]:
    """The name and the numbers of the first dense vector; no numbers where there is none."""
    named = vectors if isinstance(vectors, dict) else {"": vectors}
    for name in sorted(named):
        numbers = named[name]
        if isinstance(numbers, list) and numbers and isinstance(numbers[0], (int, float)):
            return name, tuple(float(number) for number in numbers)
    return "", ()
