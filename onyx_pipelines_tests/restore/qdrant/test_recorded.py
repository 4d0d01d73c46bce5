"""Every collection that a real server wrote is sealed, drilled by the engine, and the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.drilling import drill
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines_tests.recorded_qdrant import VERSIONS, Recorded, SnapshotSource, recorded
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import work_on
from onyx_pipelines_tests.restore.sealed import seal

pytestmark = pytest.mark.slow


def drilled(root: Path, collections: dict[str, tuple[bytes, CollectionFacts]]) -> ComponentResult:
    """A set of them, drilled by the engine."""
    for folder in ("state", "store"):
        (root / folder).mkdir(mode=0o700, exist_ok=True)
    settings = load_settings({"state_dir": root / "state", "backup_dir": root / "store"})
    return drill(work_on(seal(root, SnapshotSource(collections)), root, settings))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_collection_passes_with_all_of_its_points_compared(
    version: str, tmp_path: Path
) -> None:
    collections = recorded(version)

    result = drilled(tmp_path, {each.name: (each.snapshot, each.facts()) for each in collections})

    said = {(each.item, each.message) for each in result.findings}
    assert result.problems() == []
    assert result.verdict is Verdict.PASSED
    assert len(collections) == 18
    for each in collections:
        assert (
            each.points == []
            or (
                each.name,
                f"all {len(each.points)} points are the same",
            )
            in said
        )


def taxicab(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "distance", "aside"),
    [("float16_euclid", math.dist, 0.3), ("uint8_manhattan", taxicab, 0)],
)
def test_what_coarse_vectors_are_searched_for_is_found_with_scores_that_are_nearly_the_same(
    version: str, name: str, distance: Callable[..., float], aside: float, tmp_path: Path
) -> None:
    """The scores are exact ones; the engine's are of what it makes of the searched vector."""
    coarse = Recorded(version, name)
    wanted = [each + aside for each in coarse.points[7]["vector"]]
    ranked = sorted((distance(wanted, each["vector"]), each["id"]) for each in coarse.points)
    neighbours = [{"id": identity, "score": score} for score, identity in ranked[:10]]
    query = {"vector": wanted, "using": "", "neighbours": neighbours}

    result = drilled(tmp_path, {name: (coarse.snapshot, coarse.facts(query=query))})

    assert result.verdict is Verdict.PASSED, result.problems()
    assert "the stored query finds the same 10 points" in [f.message for f in result.findings]


@pytest.mark.parametrize("version", VERSIONS)
def test_counts_that_the_snapshot_lies_outside_of_are_said_to_be_moving(
    version: str, tmp_path: Path
) -> None:
    churned = Recorded(version, "churned")
    stayed = churned.facts().sample[:40]
    facts = churned.facts(
        points_before=churned.info["count_before"],
        points_after=churned.info["count_after"],
        sample=stayed,
        moved=tuple(each.id for each in churned.facts().sample[40:90]),
    )

    result = drilled(tmp_path, {"churned": (churned.snapshot, facts)})

    said = " ".join(each.limits for each in result.findings)
    inside = churned.info["count_in_the_snapshot"]
    assert result.verdict is Verdict.PASSED, result.problems()
    assert (
        f"moving: {facts.points_before} points before, {facts.points_after} after, {inside} in"
        in said
    )
    assert "40 points that stayed as they were are the same; the loss of 10.9% or more" in said
