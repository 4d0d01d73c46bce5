"""`python -m onyx_pipelines.restore.qdrant.edge_process`: opens shards with Qdrant's Edge engine.

A process of its own: the engine holds Python's lock while it works, and a damaged file may end it.
One EdgeRequest on standard input, one EdgeAnswer or EdgeFailure on standard output.
"""

from __future__ import annotations

import importlib.metadata
import sys
import uuid
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from onyx_pipelines.restore.qdrant.edge_protocol import (
    EdgeAnswer,
    EdgeFailure,
    EdgeRequest,
    plain,
)
from onyx_pipelines.sources.qdrant.facts import Neighbour, PointFacts, point_fingerprint


def answer(request: EdgeRequest) -> EdgeAnswer:
    """Read every shard and put the answers together."""
    ids: list[Any] = [each if isinstance(each, int) else uuid.UUID(each) for each in request.ids]
    count = 0
    points: list[PointFacts] = []
    neighbours: list[Neighbour] = []
    for directory in request.shards:
        shard = edge.EdgeShard.load(directory)
        try:
            count += int(shard.count(edge.CountRequest(exact=True)))
            if ids:
                for found in shard.retrieve(ids, with_payload=True, with_vector=True):
                    digest = point_fingerprint(plain(found.vector), found.payload)
                    points.append(PointFacts(id=_id(found.id), fingerprint=digest))
            neighbours += _search(shard, request)
        finally:
            shard.close()
    best = sorted(neighbours, key=lambda each: each.score, reverse=not request.lowest_first)
    return EdgeAnswer(
        count=count,
        points=tuple(points),
        neighbours=tuple(best[: request.top_k]),
        engine=f"qdrant-edge-py {importlib.metadata.version('qdrant-edge-py')}",
    )


def _search(shard: Any, request: EdgeRequest) -> list[Neighbour]:
    if request.vector is None:
        return []
    using = {"using": request.using} if request.using else {}
    found = shard.query(
        edge.QueryRequest(
            limit=request.top_k,
            query=edge.Query.Nearest(list(request.vector), **using),
            with_payload=False,
            params=edge.SearchParams(exact=True),
        )
    )
    return [Neighbour(id=_id(each.id), score=each.score) for each in found]


def _id(identity: object) -> int | str:
    return identity if isinstance(identity, int) else str(identity)


def main() -> None:
    request = EdgeRequest.model_validate_json(sys.stdin.read())
    missing = [each for each in request.shards if not Path(each).is_dir()]
    try:
        reply: EdgeAnswer | EdgeFailure = (
            EdgeFailure(problem=f"no shard in {missing}") if missing else answer(request)
        )
    except Exception as error:  # noqa: BLE001  (the engine raises bare exceptions)
        reply = EdgeFailure(problem=str(error) or type(error).__name__)
    sys.stdout.write(reply.model_dump_json())


if __name__ == "__main__":
    main()
