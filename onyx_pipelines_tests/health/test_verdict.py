"""What the areas are makes what the whole stack is; what is not known is never well."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.health.verdict import (
    RANK,
    Area,
    Condition,
    Finding,
    StackHealth,
    verdict,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CONDITIONS = st.lists(st.sampled_from(Condition), max_size=8)
WATCHED = st.sampled_from(sorted(RANK))


def stack(**conditions: Condition) -> StackHealth:
    return StackHealth(
        "",
        NOW,
        tuple(
            Finding(Area(area), condition, f"{area} as told.", NOW, (), f"mend {area}")
            for area, condition in conditions.items()
        ),
    )


@given(CONDITIONS)
def test_all_is_well_only_where_all_that_is_watched_is_random(found: list[Condition]) -> None:
    watched = set(found) - {Condition.NOT_WATCHED}

    assert (verdict(found) is Condition.OK) == (watched == {Condition.OK})


@given(CONDITIONS)
def test_a_failure_is_never_hidden_random(found: list[Condition]) -> None:
    assert (verdict(found) is Condition.FAILING) == (Condition.FAILING in found)


@given(CONDITIONS, WATCHED)
def test_a_further_finding_makes_nothing_better_random(
    found: list[Condition], further: Condition
) -> None:
    before = verdict([*found, Condition.OK])

    assert RANK[verdict([*found, Condition.OK, further])] >= RANK[before]


@given(CONDITIONS, st.randoms())
def test_the_order_decides_nothing_random(found: list[Condition], order: object) -> None:
    shuffled = sorted(found, key=lambda _: order.random())  # type: ignore[attr-defined]  # hypothesis' own

    assert verdict(shuffled) is verdict(found)


@given(CONDITIONS)
def test_what_nobody_watches_yet_decides_nothing_random(found: list[Condition]) -> None:
    assert verdict([*found, Condition.NOT_WATCHED]) is verdict(found)


def test_of_nothing_nothing_is_known() -> None:
    assert verdict([]) is Condition.UNKNOWN
    assert verdict([Condition.NOT_WATCHED]) is Condition.UNKNOWN


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        (
            {"backups": Condition.OK, "drills": Condition.OK, "errors": Condition.NOT_WATCHED},
            "All is well: backups and drills; not watched yet: errors.",
        ),
        (
            {
                "backups": Condition.DEGRADED,
                "drills": Condition.UNKNOWN,
                "load_tests": Condition.UNKNOWN,
                "alerts": Condition.FAILING,
                "readiness": Condition.NOT_WATCHED,
            },
            "Alerts failing: alerts as told; also unknown: drills and load tests; also degraded:"
            " backups; not watched yet: readiness.",
        ),
        ({"errors": Condition.NOT_WATCHED}, "Nothing is known; not watched yet: errors."),
    ],
)
def test_one_sentence_says_the_worst_and_names_the_rest(
    conditions: dict[str, Condition], sentence: str
) -> None:
    assert stack(**conditions).sentence == sentence


def test_the_next_action_is_that_of_the_worst() -> None:
    assert stack(backups=Condition.DEGRADED, drills=Condition.FAILING).action == "mend drills"
