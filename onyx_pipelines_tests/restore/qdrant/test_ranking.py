"""A search finds the same where the last digits differ, and not where points do."""

from __future__ import annotations

from typing import Any

import pytest

from onyx_pipelines.restore.qdrant.ranking import finds_the_same
from onyx_pipelines.sources.qdrant.facts import Neighbour, QueryFacts

Pairs = list[tuple[int, float]]
BEST: Pairs = [(1, 2.3), (2, 2.1), (3, 1.9), (4, 1.7)]


def neighbours(pairs: Pairs) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(id=each, score=score) for each, score in pairs)


def same(
    wanted: Pairs, found: Pairs, *, datatype: str | None = None, has_moved: bool = False
) -> bool:
    vectors: dict[str, Any] = {"size": 2, "distance": "Dot", "datatype": datatype}
    query = QueryFacts(vector=(1.0, 1.0), using="", neighbours=neighbours(wanted))
    config = {"params": {"vectors": vectors}}
    return finds_the_same(query, neighbours(found), config, has_moved=has_moved)


@pytest.mark.parametrize("datatype", ["float16", "uint8", "of a later version"])
def test_coarse_vectors_may_differ_in_the_fourth_digit(datatype: str) -> None:
    assert same(BEST, [(each, score + 7e-4) for each, score in BEST], datatype=datatype)


@pytest.mark.parametrize("datatype", [None, "float32"])
def test_whole_numbers_may_not(datatype: str | None) -> None:
    assert not same(BEST, [(each, score + 7e-4) for each, score in BEST], datatype=datatype)


def test_the_tolerance_grows_with_the_scores() -> None:
    large = [(each, score * 1e6) for each, score in BEST]

    assert same(large, [(each, score + 50) for each, score in large])
    assert not same(BEST, [(each, score + 5e-3) for each, score in BEST])


def test_a_score_that_should_be_zero_may_be_nearly_zero() -> None:
    assert same([(1, 0.0), (2, 0.0)], [(2, 1e-8), (1, 2e-8)])


class TestATie:
    def test_may_come_in_any_order(self) -> None:
        tied = [(each, 1.0) for each in range(1, 5)]

        assert same(tied, tied[::-1])

    def test_at_the_end_may_be_of_other_points(self) -> None:
        assert same([*BEST[:3], (4, 1.9)], [*BEST[:3], (9, 1.9)])

    def test_may_be_a_near_tie(self) -> None:
        assert same([*BEST[:2], (3, 1.9), (4, 1.89999)], [*BEST[:2], (9, 1.90001), (3, 1.9)])

    def test_does_not_excuse_a_point_that_is_clearly_better(self) -> None:
        assert not same([(1, 2.3), (2, 1.9), (3, 1.9)], [(9, 2.3), (2, 1.9), (3, 1.9)])


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(BEST[:3], id="one fewer"),
        pytest.param([*BEST[:1], (9, 2.1), *BEST[2:]], id="another point"),
        pytest.param([(2, 2.3), (1, 2.1), *BEST[2:]], id="two in each other's place"),
        pytest.param([], id="none"),
    ],
)
def test_other_points_are_a_difference(found: Pairs) -> None:
    assert not same(BEST, found)


class TestWhereSomebodyWrites:
    def test_others_may_come_between(self) -> None:
        assert same(BEST, [(8, 2.4), *BEST[:3]], has_moved=True)

    def test_those_that_stayed_may_not_be_missing_for_it(self) -> None:
        assert not same(BEST, [(8, 2.4), *BEST[:2]], has_moved=True)

    def test_those_that_stayed_have_their_score(self) -> None:
        assert not same(BEST, [(1, 2.0), *BEST[1:]], has_moved=True)
