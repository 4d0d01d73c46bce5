"""How long a restore takes is what drills measured, scaled by size, or unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.estimate import Estimate, estimate
from onyx_pipelines.restore.results import ComponentResult, DrillResult, Finding, Step, StepTiming
from onyx_pipelines.sources.source import Component

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def drill(days_ago: int, **components: tuple[float, int]) -> DrillResult:
    """`postgresql=(seconds, bytes)`."""
    return DrillResult(
        drill_id="d",
        backup_id="b",
        store="offsite",
        recovery_point=NOW,
        started_at=NOW - timedelta(days=days_ago),
        finished_at=NOW,
        objective_s=3600,
        components=tuple(
            ComponentResult(
                component=Component(name),
                findings=(
                    Finding(verdict=Verdict.PASSED, item="i", aspect="rows", message="same"),
                ),
                steps=(
                    StepTiming(step=Step.RESTORE, item="i", offset_s=0, duration_s=seconds),
                    StepTiming(step=Step.COMPARE, item="i", offset_s=0, duration_s=1000),
                ),
                plain_bytes=size,
            )
            for name, (seconds, size) in components.items()
        ),
    )


SIZES = st.integers(1_000, 10**12)


def qdrant(size: int, *drills: DrillResult) -> Estimate:
    return estimate({Component.QDRANT: size}, drills)


def test_nothing_is_known_before_a_drill() -> None:
    found = estimate({Component.POSTGRESQL: 1}, [])

    assert found.seconds is None
    assert found.text() == "not known yet (no drill has measured postgresql)"


def test_as_much_as_a_drill_restored_takes_as_long_and_comparing_does_not_count() -> None:
    found = qdrant(1_600_000_000, drill(6, qdrant=(457.3, 1_600_000_000)))

    assert found.text() == (
        "about 8 min (as drills took: qdrant: 1.6 GB in 7 min 37 s on 2026-10-26)"
    )


def test_much_more_than_any_drill_restored_is_not_known() -> None:
    """A small drill measures what every drill costs: its "rate" gave 2 days and 12 hours."""
    found = qdrant(1_600_000_000, drill(1, qdrant=(3.2, 23_000)))

    assert found.text() == (
        "not known yet (qdrant: drills restored 23 kB at most, and this is 1.6 GB)"
    )


def test_a_small_part_of_what_was_drilled_takes_no_longer() -> None:
    found = qdrant(2_000, drill(1, qdrant=(457.0, 1_600_000_000)))

    assert (found.is_limit, found.text().split(" (")[0]) == (True, "at most 8 min")


def test_drills_of_different_sizes_tell_the_fixed_part_from_the_rate() -> None:
    """5 s, and 100 MB/s."""
    drills = [drill(1, qdrant=(15.0, 10**9)), drill(8, qdrant=(6.0, 10**8))]

    found = qdrant(2 * 10**9, *drills)

    assert found.seconds == 25.0
    assert found.basis.endswith("2 drills of 100 MB to 1 GB since 2026-10-24")


def test_the_newest_of_similar_drills_counts() -> None:
    drills = [drill(1, qdrant=(30.0, 100)), drill(9, qdrant=(99.0, 100))]

    assert qdrant(100, *drills).seconds == 30.0


def test_components_are_restored_one_after_the_other() -> None:
    drills = [drill(1, postgresql=(30.0, 100)), drill(9, postgresql=(99.0, 100), qdrant=(5.0, 10))]

    found = estimate({Component.POSTGRESQL: 100, Component.QDRANT: 10}, drills)

    assert found.seconds == 35.0
    assert "on 2026-10-31" in found.basis
    assert "on 2026-10-23" in found.basis


def test_a_part_that_no_drill_has_restored_makes_it_unknown() -> None:
    found = estimate(
        {Component.POSTGRESQL: 100, Component.VOLUMES: 1}, [drill(1, postgresql=(30.0, 100))]
    )

    assert found.seconds is None
    assert "volumes" in found.basis


@given(st.lists(st.tuples(st.floats(0.001, 1e5), SIZES), min_size=1, max_size=6), SIZES, SIZES)
def test_more_data_never_takes_less_time(
    measured: list[tuple[float, int]], one: int, other: int
) -> None:
    drills = [drill(day, qdrant=each) for day, each in enumerate(measured)]

    small, large = (qdrant(size, *drills).seconds for size in sorted((one, other)))

    assert large is None or (small is not None and 0 <= small <= large)


@given(
    st.floats(0, 300),
    st.floats(1e5, 1e9),
    st.lists(st.tuples(SIZES, st.floats(0.8, 1.2)), min_size=1, max_size=8),
    SIZES,
)
def test_it_is_the_truth_but_for_a_factor_of_four(
    fixed_s: float, bytes_per_s: float, drilled: list[tuple[int, float]], size: int
) -> None:
    """Whatever the host is like, and though drills of the same data differ by a fifth."""

    def truth(plain_bytes: int) -> float:
        return fixed_s + plain_bytes / bytes_per_s

    drills = [
        drill(day, qdrant=(truth(each) * noise, each)) for day, (each, noise) in enumerate(drilled)
    ]

    found = qdrant(size, *drills)

    if found.seconds is not None:
        assert found.is_limit or found.seconds <= 4.1 * max(truth(size), 0.001)
        assert found.seconds >= truth(size) / 4.1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "a few seconds"),
        (7.9, "a few seconds"),
        (37.0, "40 s"),
        (58.0, "1 min"),
        (457.0, "8 min"),
        (1500.0, "25 min"),
        (3590.0, "1 h"),
        (4000.0, "1 h 10 min"),
        (40_000.0, "12 h"),
        (216_000.0, "3 days"),
    ],
)
def test_it_has_no_more_digits_than_it_knows(seconds: float, text: str) -> None:
    assert Estimate(seconds, "b").text() == f"about {text} (b)"
