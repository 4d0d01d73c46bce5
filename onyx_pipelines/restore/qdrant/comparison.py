"""Is a restored collection the one that was backed up? Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onyx_pipelines.core.text import count_text, number_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.configuration import differences
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer
from onyx_pipelines.restore.qdrant.ranking import finds_the_same, shown
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.qdrant.looking import Limits

POINTS: Final = "points"
CONTENT: Final = "content"
CONFIG: Final = "config"
QUERY: Final = "query"
INDEXES: Final = "indexes"
UPDATES: Final = "updates"
_NAMED: Final = 10
_CONFIDENCE: Final = 0.99


def compare_collection(
    expected: CollectionFacts,
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    found: EdgeAnswer,
    *,
    of_another_version: bool = False,
) -> list[Finding]:
    """Count, configuration, payload indexes, points, the stored query.

    Args:
        config, schema: as the snapshot has them, or as the server that restored it tells them.
        of_another_version: that server is of another version than the one backed up.
    """
    of_points = [
        _count(expected, found.count),
        *_points(expected, found),
        *_stored_query(expected, found),
    ]
    if expected.withheld or found.withheld:
        of_points = [_perhaps_withheld(each) for each in of_points]
    return [
        *of_points,
        *_configuration(expected, config, schema, of_another_version=of_another_version),
        *_indexes(expected, found),
        *_updates(expected, found),
    ]


def loss_seen(points: int) -> float:
    """The smallest part lost that this many compared points show, with 99 % certainty."""
    return float(1 - (1 - _CONFIDENCE) ** (1 / points)) if points else 1.0


def _perhaps_withheld(finding: Finding) -> Finding:
    """What is different may be what the server did not show."""
    if finding.verdict is not Verdict.FAILED:
        return finding
    why = "the server had updates that it had not applied, or points that it hid until indexed"
    return Finding.unverified(finding.item, finding.aspect, f"{finding.message}; {why}")


def _count(expected: CollectionFacts, count: int) -> Finding:
    before, after = expected.points_before, expected.points_after
    if before == after == count and not expected.moved:
        return _passed(expected, POINTS, count_text(count, "point"))
    if expected.has_moved:
        counts = (
            f"moving: {count_text(before, 'point')} before, {number_text(after)} after,"
            f" {number_text(count)} in the snapshot"
        )
        if expected.withheld:
            counts += f"; {number_text(expected.withheld)} updates or points were not shown yet"
        return _passed(expected, POINTS, counts, limits=counts)
    if expected.was_still:
        return _failed(
            expected,
            POINTS,
            "the number of points differs",
            wanted=number_text(before),
            found=number_text(count),
        )
    return _unknown(
        expected,
        POINTS,
        f"{count_text(before, 'point')} before and after, {number_text(count)} in the snapshot:"
        " some were lost, or written and deleted meanwhile; the server does not say which",
    )


def _configuration(
    expected: CollectionFacts,
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    *,
    of_another_version: bool,
) -> list[Finding]:
    different = differences(expected, config, schema, of_another_version=of_another_version)
    if different:
        return [
            _failed(expected, CONFIG, f"{each.what} differs", wanted=each.wanted, found=each.found)
            for each in different
        ]
    return [
        _passed(
            expected,
            CONFIG,
            f"configuration and {len(expected.payload_schema)} payload indexes are the same",
        )
    ]


def _points(expected: CollectionFacts, found: EdgeAnswer) -> list[Finding]:
    if not expected.sample:
        if expected.points_before == expected.points_after == found.count == 0:
            return []
        if not expected.sample_is_all or expected.moved:
            return [_unknown(expected, CONTENT, "no point is known to have stayed as it was")]
    present = {point.id: point.fingerprint for point in found.points}
    failures = [
        _failed(
            expected,
            CONTENT,
            f"point {point.id} is missing"
            if point.id not in present
            else f"point {point.id} has another vector or payload",
            wanted=point.fingerprint,
            found=present.get(point.id, "nothing"),
        )
        for point in expected.sample
        if present.get(point.id) != point.fingerprint
    ]
    failures += _uncalled_for(expected, found)
    if failures:
        return _few(expected, failures)
    return [_passed(expected, CONTENT, _seen(expected), limits=_unseen(expected))]


def _uncalled_for(expected: CollectionFacts, found: EdgeAnswer) -> list[Finding]:
    """Points that were there neither before nor after.

    A writer's points may come and go between both looks, as many as were seen to come or go.
    """
    if not expected.sample_is_all or expected.withheld or len(found.points) < found.count:
        return []
    known = {point.id for point in expected.sample} | set(expected.moved)
    strangers = [point.id for point in found.points if point.id not in known]
    if len(strangers) <= len(expected.moved):
        return []
    return [
        _failed(
            expected,
            CONTENT,
            f"point {each} is there, and was neither before nor after the snapshot",
            wanted="nothing",
            found="a point",
        )
        for each in strangers
    ]


def _few(expected: CollectionFacts, failures: list[Finding]) -> list[Finding]:
    more = len(failures) - _NAMED
    if more <= 0:
        return failures
    rest = _failed(expected, CONTENT, f"and {count_text(more, 'point')} more differ")
    return [*failures[:_NAMED], rest]


def _is_whole(expected: CollectionFacts) -> bool:
    return expected.sample_is_all and not expected.has_moved


def _seen(expected: CollectionFacts) -> str:
    """What a comparison that passed was based on: all points, or how many of them."""
    compared = len(expected.sample)
    if _is_whole(expected):
        return f"all {count_text(compared, 'point')} are the same"
    if expected.sample_is_all:
        return f"{count_text(compared, 'point')} that stayed as they were are the same"
    return f"{number_text(compared)} of {count_text(expected.points_after, 'point')} are the same"


def _unseen(expected: CollectionFacts) -> str:
    """What that would not have seen."""
    if _is_whole(expected):
        return ""
    return (
        f"{_seen(expected)}; the loss of {loss_seen(len(expected.sample)):.1%} or more of all would"
        f" have been seen ({_CONFIDENCE:.0%} certain)"
    )


def _stored_query(expected: CollectionFacts, found: EdgeAnswer) -> list[Finding]:
    query = expected.query
    if query is None:
        refused = not Limits.of(expected.config).allows_exact
        return [_no_query(expected, "the collection allows no exact search")] if refused else []
    if found.no_query:
        return [_no_query(expected, found.no_query)]
    if finds_the_same(query, found.neighbours, expected.config, has_moved=expected.has_moved):
        message = f"the stored query finds the same {len(query.neighbours)} points"
        return [_passed(expected, QUERY, message)]
    return [
        _failed(
            expected,
            QUERY,
            "the stored query finds other points",
            wanted=shown(query.neighbours),
            found=shown(found.neighbours),
        )
    ]


def _no_query(expected: CollectionFacts, why: str) -> Finding:
    said = f"the stored query is left out: {why}"
    return _passed(expected, QUERY, said, limits=said)


def _indexes(expected: CollectionFacts, found: EdgeAnswer) -> list[Finding]:
    return [
        _failed(
            expected,
            INDEXES,
            f"the payload index {field} finds other points than those with such a payload",
        )
        for field in found.wrong_indexes
    ]


def _updates(expected: CollectionFacts, found: EdgeAnswer) -> list[Finding]:
    if not found.ignores_updates:
        return []
    return [
        _failed(
            expected,
            UPDATES,
            "what is written to a restored point is ignored: the write-ahead log in the snapshot"
            " is not that of its points",
        )
    ]


def _passed(expected: CollectionFacts, aspect: str, message: str, *, limits: str = "") -> Finding:
    return Finding.passed(expected.collection, aspect, message, limits=limits)


def _unknown(expected: CollectionFacts, aspect: str, message: str) -> Finding:
    return Finding.unverified(expected.collection, aspect, message)


def _failed(
    expected: CollectionFacts, aspect: str, message: str, *, wanted: str = "", found: str = ""
) -> Finding:
    return Finding.failed(expected.collection, aspect, message, expected=wanted, found=found)
