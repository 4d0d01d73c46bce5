"""`python -m onyx_pipelines.restore.qdrant.edge_process`: opens shards with Qdrant's Edge engine.

A process of its own: the engine holds Python's lock while it works, and a damaged file may end it.
EdgeRequests on standard input, an EdgeAnswer or EdgeFailure to each on standard output.

Every request is answered by a fork, which ends without closing its shards: they are copies, and
writing them to the disk would take longer than all the rest.
"""

from __future__ import annotations

import gc
import importlib.metadata
import os
import re
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import qdrant_edge as edge

from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer, EdgeFailure, EdgeRequest
from onyx_pipelines.sources.qdrant.facts import Neighbour, PointFacts, point_fingerprint

# Where an index and a look at the payload mean the same by a condition.
_TYPES: Final = {"keyword": str, "integer": int, "bool": bool, "float": float}
_VALUES: Final = 30
# What an index of integers holds; a payload holds larger ones, which no condition can name.
_INTEGERS: Final = range(-(2**63), 2**63)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class ValuesOfIndexes:
    """Some values of each indexed field, gathered as points go by."""

    def __init__(self, indexes: Mapping[str, str]) -> None:
        self._indexes = indexes
        self._values: dict[str, set[Any]] = {
            field: set()
            for field, kind in indexes.items()
            if kind in _TYPES and _PLAIN_NAME.fullmatch(field)
        }

    def see(self, payload: Mapping[str, Any] | None) -> None:
        for field, values in self._values.items():
            if len(values) < _VALUES:
                wanted = _TYPES[self._indexes[field]]
                values.update(
                    each
                    for each in _flat((payload or {}).get(field))
                    if type(each) is wanted and (wanted is not int or each in _INTEGERS)
                )

    def wrong(self, shards: Sequence[Any]) -> tuple[str, ...]:
        """Fields whose index finds other points than there are."""
        return tuple(
            field
            for field, values in sorted(self._values.items())
            if any(_differs(shard, field, values) for shard in shards)
        )


def _differs(shard: Any, field: str, values: Iterable[Any]) -> bool:
    conditions = [_condition(field, each) for each in values]
    indexed = [_count(shard, each) for each in conditions]
    shard.update(edge.UpdateOperation.delete_field_index(field))
    return indexed != [_count(shard, each) for each in conditions]


def _condition(field: str, value: Any) -> Any:
    if isinstance(value, float):
        return edge.FieldCondition(key=field, range=edge.RangeFloat(gte=value))
    return edge.FieldCondition(key=field, match=edge.MatchValue(value))


def _count(shard: Any, condition: Any) -> int:
    request = edge.CountRequest(exact=True, filter=edge.Filter(must=[condition]))
    return int(shard.count(request))


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    else:
        yield value


_PAGE = 256
_MARK = "onyx-drill"
_ENGINE = f"qdrant-edge-py {importlib.metadata.version('qdrant-edge-py')}"


def main() -> None:
    """Until standard input ends."""
    # A fork lives shortly, and looking for garbage would copy every page that it has of us.
    gc.disable()
    for line in sys.stdin:
        request = EdgeRequest.model_validate_json(line)
        child = os.fork()
        if child == 0:
            _write(_reply(request))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 0:
            _write(EdgeFailure(problem=f"it died of it ({status})"))


def _write(reply: EdgeAnswer | EdgeFailure) -> None:
    sys.stdout.write(reply.model_dump_json() + "\n")
    sys.stdout.flush()


def _reply(request: EdgeRequest) -> EdgeAnswer | EdgeFailure:
    missing = [each for each in request.shards if not Path(each).is_dir()]
    if missing:
        return EdgeFailure(problem=f"no shard in {missing}")
    try:
        return _answer(request)
    except BaseException as error:  # A panic of the engine is no Exception.
        if isinstance(error, KeyboardInterrupt):
            raise
        return EdgeFailure(problem=str(error) or type(error).__name__)


def _answer(request: EdgeRequest) -> EdgeAnswer:
    """Read every shard and put the answers together."""
    opened = [edge.EdgeShard.load(directory) for directory in request.shards]
    count = sum(int(each.count(edge.CountRequest(exact=True))) for each in opened)
    everything = count <= request.all_up_to
    values = ValuesOfIndexes(request.indexes if everything else {})
    points = []
    for shard in opened:
        for found in _all(shard) if everything else _chosen(shard, request.ids):
            values.see(found.payload)
            points.append(_facts_of(found))
    neighbours = [found for shard in opened for found in _search(shard, request)]
    wrong_indexes = values.wrong(opened)
    ignores_updates = any(map(_ignores_updates, opened))
    neighbours.sort(key=lambda each: each.score, reverse=not request.lowest_first)
    return EdgeAnswer(
        count=count,
        points=tuple(points),
        neighbours=tuple(neighbours[: request.top_k]),
        engine=_ENGINE,
        wrong_indexes=wrong_indexes,
        ignores_updates=ignores_updates,
    )


def _all(shard: Any) -> Iterator[Any]:
    offset = None
    while True:
        request = edge.ScrollRequest(
            offset=offset, limit=_PAGE, with_payload=True, with_vector=True
        )
        found, offset = shard.scroll(request)
        yield from found
        if offset is None:
            return


def _chosen(shard: Any, ids: Iterable[int | str]) -> Iterator[Any]:
    wanted: list[Any] = [each if isinstance(each, int) else uuid.UUID(each) for each in ids]
    for start in range(0, len(wanted), _PAGE):
        page = wanted[start : start + _PAGE]
        yield from shard.retrieve(page, with_payload=True, with_vector=True)


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


def _ignores_updates(shard: Any) -> bool:
    """Operations count on from the write-ahead log: with another one, those to points that are
    there look older than the points. The shard is a copy, and this comes last."""
    found, _ = shard.scroll(edge.ScrollRequest(limit=1, with_payload=False, with_vector=False))
    if not found:
        return False
    ids = [found[0].id]
    shard.update(edge.UpdateOperation.set_payload(ids, {_MARK: True}))
    (changed,) = shard.retrieve(ids, with_payload=True, with_vector=False)
    return _MARK not in (changed.payload or {})


def _facts_of(found: Any) -> PointFacts:
    return PointFacts(
        id=_id(found.id), fingerprint=point_fingerprint(plain(found.vector), found.payload)
    )


def plain(vector: Any) -> Any:
    """A vector as the engine gives it, without the engine's own types."""
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    if isinstance(vector, dict):
        return {name: plain(each) for name, each in vector.items()}
    return vector


def _id(identity: object) -> int | str:
    return identity if isinstance(identity, int) else str(identity)


if __name__ == "__main__":
    main()
