"""How long a restore takes is what drills measured, scaled by size, or unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.restore.recovery.estimate import estimate
from onyx_pipelines.restore.results import ComponentDrill, DrillResult, Finding, Step, StepTiming
from onyx_pipelines.restore.verdict import Verdict
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
            ComponentDrill(
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


def test_nothing_is_known_before_a_drill() -> None:
    found = estimate({Component.POSTGRESQL: 1}, [])

    assert (found.seconds, found.basis) == (None, "no drill has measured postgresql yet")


def test_twice_the_data_takes_twice_as_long_and_comparing_does_not_count() -> None:
    found = estimate({Component.POSTGRESQL: 200}, [drill(1, postgresql=(30.0, 100))])

    assert found.seconds == 60.0


def test_each_component_is_taken_from_the_newest_drill_that_has_it() -> None:
    drills = [drill(1, postgresql=(30.0, 100)), drill(9, postgresql=(99.0, 100), qdrant=(5.0, 10))]

    found = estimate({Component.POSTGRESQL: 100, Component.QDRANT: 10}, drills)

    assert found.seconds == 35.0
    assert "since 2026-10-23" in found.basis


def test_a_part_that_no_drill_has_restored_makes_it_unknown() -> None:
    found = estimate(
        {Component.POSTGRESQL: 100, Component.VOLUMES: 1}, [drill(1, postgresql=(30.0, 100))]
    )

    assert found.seconds is None
    assert "volumes" in found.basis


@given(
    st.floats(0.001, 1e5), st.integers(1, 10**12), st.integers(1, 10**12), st.integers(1, 10**12)
)
def test_more_data_never_takes_less_time(
    seconds: float, measured: int, one: int, other: int
) -> None:
    drills = [drill(1, qdrant=(seconds, measured))]
    small = estimate({Component.QDRANT: min(one, other)}, drills).seconds
    large = estimate({Component.QDRANT: max(one, other)}, drills).seconds

    assert small is not None
    assert large is not None
    assert seconds <= small <= large
