"""A collection in strict mode is restored, read back within its limits, and stops no other."""

from __future__ import annotations

from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines_tests.fixtures_qdrant import (
    DIMENSIONS,
    MakeCollection,
    QdrantServer,
    restrict,
    set_alias,
)
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

NO_EXACT_SEARCH = {"max_query_limit": 5, "search_allow_exact": False}
FEW_READS = {"read_rate_limit": 10}


def of_the_query(result: ComponentResult) -> list[str]:
    return [f.limits or f.message for f in result.findings if f.aspect == "query"]


@pytest.mark.parametrize("limits", [NO_EXACT_SEARCH, FEW_READS])
def test_it_comes_back_with_its_limits_and_what_follows_it_does_too(
    limits: dict[str, object],
    sets: QdrantSets,
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
) -> None:
    strict, other = make_collection("a-strict-one"), make_collection()
    restrict(qdrant_server, strict, unindexed_filtering_retrieve=False, **limits)
    set_alias(qdrant_server, "of-the-other", other)
    objects = sets.of(strict, other)
    qdrant_server.client.delete(other, points_selector=[1], wait=True)
    qdrant_server.client.delete_collection(strict)

    result = sets.restore(objects)

    config = qdrant_server.request("GET", f"/collections/{strict}")["config"]
    assert result.verdict is Verdict.PASSED, result.problems()
    assert config["strict_mode_config"].items() >= limits.items()
    assert sets.count("of-the-other") == 20
    assert "all 20 points are the same" in [f.message for f in result.findings]


def test_what_cannot_be_searched_is_said(
    sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
) -> None:
    name = make_collection()
    restrict(qdrant_server, name, **NO_EXACT_SEARCH)

    result = sets.restore(sets.of(name))

    assert of_the_query(result) == [
        "the stored query is left out: the collection allows no exact search"
    ]


def with_a_query(facts: dict[str, Any]) -> None:
    found = [{"id": 1, "score": 1.0}]
    facts["query"] = {"vector": [1.0] * DIMENSIONS, "using": "", "neighbours": found}


def test_a_search_that_the_server_refuses_is_said(
    sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
) -> None:
    name = make_collection()
    restrict(qdrant_server, name, **NO_EXACT_SEARCH)

    result = sets.restore(sets.of(name, edit=with_a_query))

    (said,) = of_the_query(result)
    assert result.verdict is Verdict.PASSED, result.problems()
    assert said.startswith("the stored query is left out: Qdrant")
    assert "Exact search disabled" in said
