"""Does a search find what it found before? Scores of two builds differ in their last digits. Pure.

How far depends on what the vectors are stored as, not on the score's own size: a tie or a near-tie
may come in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from onyx_pipelines.restore.qdrant.configuration import vector_parameters
from onyx_pipelines.sources.qdrant.facts import Neighbour, QueryFacts

# Relative. Measured between server and engine: 3e-4 for float16.
_TOLERANCES: Final = {"float32": 1e-4, "float16": 5e-3, "uint8": 5e-3}
# A score that ought to be 0 is the difference of numbers as large as the vector's.
_OF_THE_VECTOR: Final = 1e-3
_DISTANCES: Final = frozenset({"Euclid", "Manhattan"})


def scores_are_distances(config: Mapping[str, Any], using: str) -> bool:
    """Whether the nearest point is the one with the lowest score."""
    return vector_parameters(config, using).get("distance") in _DISTANCES


def finds_the_same(
    query: QueryFacts,
    found: Sequence[Neighbour],
    config: Mapping[str, Any],
    *,
    has_moved: bool = False,
) -> bool:
    """The same points with the same scores, but for those that tie.

    Args:
        config: of the collection.
        has_moved: points that are in neither list may have come between.
    """
    tolerance = _tolerance(query, found, config)
    wanted = query.neighbours
    known = {each.id: each.score for each in wanted}
    if any(abs(each.score - known.get(each.id, each.score)) > tolerance for each in found):
        return False
    missing = known.keys() - {each.id for each in found}
    shared = [each for each in found if each.id in known]
    if has_moved:
        # As many others took the places.
        return len(found) - len(shared) >= len(missing)
    if len(wanted) != len(found):
        return False
    return (
        all(
            abs(one.score - other.score) <= tolerance
            for one, other in zip(wanted, found, strict=True)
        )
        and _clear(wanted, tolerance) <= {each.id for each in found}
        and _clear(found, tolerance) <= known.keys()
    )


def shown(neighbours: Sequence[Neighbour]) -> str:
    return ", ".join(f"{each.id} ({each.score:.4f})" for each in neighbours[:5])


def _clear(neighbours: Sequence[Neighbour], tolerance: float) -> set[int | str]:
    """Those that no tie with the last one can push out."""
    last = neighbours[-1].score if neighbours else 0.0
    return {each.id for each in neighbours if abs(each.score - last) > 2 * tolerance}


def _tolerance(query: QueryFacts, found: Sequence[Neighbour], config: Mapping[str, Any]) -> float:
    datatype = vector_parameters(config, query.using).get("datatype") or "float32"
    scale = max(
        _OF_THE_VECTOR * math.hypot(*query.vector),
        *(abs(each.score) for each in (*query.neighbours, *found)),
        0.0,
    )
    return _TOLERANCES.get(str(datatype), max(_TOLERANCES.values())) * scale
