"""Do payload indexes find what is in the payloads? The engine is asked with each, and without it.

For the process that runs the engine. The shard is a copy: its indexes are gone afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import qdrant_edge as edge

# Where an index and a look at the payload mean the same by a condition.
_TYPES: Final = {"keyword": str, "integer": int, "bool": bool, "float": float}
_VALUES: Final = 30
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
                    each for each in _flat((payload or {}).get(field)) if type(each) is wanted
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
