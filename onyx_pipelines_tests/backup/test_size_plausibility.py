"""A sudden drop in size is an error; ordinary growth and shrinking are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.backup.size_plausibility import HISTORY, judge_sizes


def test_a_component_less_than_half_its_median_is_implausible() -> None:
    (verdict,) = judge_sizes({"qdrant": 40}, [{"qdrant": 100}] * 3, drop_error_percent=50)

    assert not verdict.ok
    assert verdict.change_percent == -60.0
    assert "qdrant: 40 B, -60.0 % against the median 100 B" in verdict.reason


def test_a_drop_of_exactly_the_limit_is_still_plausible() -> None:
    (verdict,) = judge_sizes({"qdrant": 50}, [{"qdrant": 100}], drop_error_percent=50)

    assert verdict.ok


def test_an_empty_dump_is_found_even_with_the_most_lenient_limit() -> None:
    (verdict,) = judge_sizes({"postgresql": 0}, [{"postgresql": 100}], drop_error_percent=99)

    assert not verdict.ok


def test_growth_is_plausible() -> None:
    (verdict,) = judge_sizes({"qdrant": 1000}, [{"qdrant": 100}], drop_error_percent=50)

    assert verdict.ok


def test_the_first_set_has_nothing_to_be_compared_with() -> None:
    (verdict,) = judge_sizes({"qdrant": 1}, [], drop_error_percent=50)

    assert verdict.ok
    assert verdict.median_bytes is None


def test_one_odd_set_does_not_move_the_median() -> None:
    history = [{"qdrant": 1}, *[{"qdrant": 100}] * 6]

    (verdict,) = judge_sizes({"qdrant": 100}, history, drop_error_percent=10)

    assert verdict.median_bytes == 100


def test_only_the_newest_seven_sets_count() -> None:
    history = [{"qdrant": 100}] * HISTORY + [{"qdrant": 10_000}] * 20

    (verdict,) = judge_sizes({"qdrant": 90}, history, drop_error_percent=50)

    assert verdict.median_bytes == 100


def test_sets_without_the_component_are_passed_over() -> None:
    history = [{"postgresql": 5}, {"qdrant": 100}]

    (verdict,) = judge_sizes({"qdrant": 100}, history, drop_error_percent=50)

    assert verdict.median_bytes == 100


@given(
    size=st.integers(0, 10**12),
    history=st.lists(st.integers(1, 10**12), min_size=1, max_size=12),
    limit=st.floats(1, 99),
)
def test_a_larger_set_is_never_less_plausible(size: int, history: list[int], limit: float) -> None:
    earlier = [{"c": value} for value in history]

    smaller, larger = (
        judge_sizes({"c": value}, earlier, drop_error_percent=limit)[0].ok
        for value in (size, size + 1)
    )

    assert larger or not smaller


@pytest.mark.parametrize("component", ["a", "b"])
def test_every_component_gets_its_own_verdict(component: str) -> None:
    verdicts = judge_sizes({"a": 1, "b": 100}, [{"a": 100, "b": 100}], drop_error_percent=50)

    assert {v.component: v.ok for v in verdicts}[component] is (component == "b")


@pytest.mark.parametrize("sets_before", [1, 2, 3, 7, 30])
def test_what_stays_smaller_is_in_doubt_at_most_four_times(sets_before: int) -> None:
    history = [{"c": 100}] * sets_before
    verdicts = []
    for _ in range(8):
        verdicts.append(judge_sizes({"c": 1}, history, drop_error_percent=50)[0].ok)
        history = [{"c": 1}, *history]

    assert 1 <= verdicts.count(False) <= 4
    assert verdicts == sorted(verdicts)
