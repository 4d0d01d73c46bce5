"""Is a restored collection the one that was backed up? Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.qdrant.facts import CollectionFacts, Neighbour

POINTS = "points"
CONTENT = "content"
CONFIG = "config"
QUERY = "query"
# Of float32 scores that two builds of the engine compute.
_SCORE_TOLERANCE = 1e-4


def compare_collection(
    expected: CollectionFacts, config: Mapping[str, Any], found: EdgeAnswer
) -> list[Finding]:
    """Exact count, vector parameters, sampled points, the stored query.

    Args:
        config: the `config.json` of the snapshot.
    """
    return [
        _count(expected, found.count),
        _vectors(expected, config),
        *_sample(expected, found),
        *_stored_query(expected, found.neighbours),
    ]


def _count(expected: CollectionFacts, count: int) -> Finding:
    low, high = sorted((expected.points_before, expected.points_after))
    wanted = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    if not low <= count <= high:
        return _failed(
            expected, POINTS, "the number of points differs", wanted=wanted, found=f"{count:,}"
        )
    moving = "" if low == high else " (points were written during the snapshot)"
    return _passed(expected, POINTS, f"{count:,} points{moving}")


def _vectors(expected: CollectionFacts, config: Mapping[str, Any]) -> Finding:
    wanted = _parameters(expected.config)
    found = _parameters(config)
    if wanted != found:
        return _failed(
            expected,
            CONFIG,
            "the vector parameters differ",
            wanted=str(wanted),
            found=str(found),
        )
    return _passed(expected, CONFIG, f"vectors are {wanted}")


def scores_are_distances(config: Mapping[str, Any], using: str) -> bool:
    """Whether the nearest point is the one with the lowest score."""
    _, distance = _parameters(config).get(using, (0, ""))
    return distance in {"Euclid", "Manhattan"}


def _parameters(config: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Name → size and distance; "" is the name of an only one."""
    vectors = config.get("params", {}).get("vectors") or {}
    named = {"": vectors} if "size" in vectors else vectors
    return {name: (int(each["size"]), str(each["distance"])) for name, each in named.items()}


def _sample(expected: CollectionFacts, found: EdgeAnswer) -> list[Finding]:
    if not expected.sample:
        if expected.points_after == 0:
            return []
        return [
            Finding(
                verdict=Verdict.COULD_NOT_VERIFY,
                item=expected.collection,
                aspect=CONTENT,
                message="the set holds no sample of points to compare",
            )
        ]
    present = {point.id: point.fingerprint for point in found.points}
    failures = [
        _failed(
            expected,
            CONTENT,
            f"point {point.id} is missing"
            if point.id not in present
            else f"point {point.id} has another vector or payload",
            wanted=point.fingerprint,
            found=present.get(point.id, ""),
        )
        for point in expected.sample
        if present.get(point.id) != point.fingerprint
    ]
    return failures or [
        _passed(expected, CONTENT, f"{len(expected.sample)} sampled points are the same")
    ]


def _stored_query(expected: CollectionFacts, found: Sequence[Neighbour]) -> list[Finding]:
    if expected.query is None:
        return []
    wanted = expected.query.neighbours
    if _same_ranking(wanted, found):
        return [_passed(expected, QUERY, f"the stored query finds the same {len(wanted)} points")]
    return [
        _failed(
            expected,
            QUERY,
            "the stored query finds other points",
            wanted=_ranking(wanted),
            found=_ranking(found),
        )
    ]


def _same_ranking(wanted: Sequence[Neighbour], found: Sequence[Neighbour]) -> bool:
    """The same scores in order; the same points, but for those that tie with the last one."""
    if len(wanted) != len(found):
        return False
    if any(
        abs(one.score - other.score) > _SCORE_TOLERANCE
        for one, other in zip(wanted, found, strict=True)
    ):
        return False
    last = wanted[-1].score if wanted else 0.0
    clear = {each.id for each in wanted if abs(each.score - last) > _SCORE_TOLERANCE}
    return clear <= {each.id for each in found}


def _ranking(neighbours: Sequence[Neighbour]) -> str:
    return ", ".join(f"{each.id} ({each.score:.4f})" for each in neighbours[:5])


def _passed(expected: CollectionFacts, aspect: str, message: str) -> Finding:
    return Finding(verdict=Verdict.PASSED, item=expected.collection, aspect=aspect, message=message)


def _failed(
    expected: CollectionFacts, aspect: str, message: str, *, wanted: str, found: str
) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=expected.collection,
        aspect=aspect,
        message=message,
        expected=wanted,
        found=found,
    )
