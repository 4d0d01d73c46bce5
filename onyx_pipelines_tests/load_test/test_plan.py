from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.load_test.plan import FULL, Profile, expected_seconds, plan, profile_named
from onyx_pipelines.load_test.results import Block, Scenario


def test_the_baseline_is_20_users_with_100_messages_in_all() -> None:
    units = [unit for unit in plan(FULL) if unit.block is Block.BASELINE]

    assert len(units) == 5 * 3
    assert {(unit.users, unit.planned_requests) for unit in units} == {(20, 100)}


def test_scenarios_take_turns() -> None:
    baseline = [unit.scenario for unit in plan(FULL) if unit.block is Block.BASELINE]

    assert baseline[:6] == [*Scenario, *Scenario]


def test_the_full_profile_fits_into_half_an_hour() -> None:
    assert expected_seconds(plan(FULL), mean_s=2.0) < 30 * 60


def test_a_profile_that_there_is_not_is_named() -> None:
    with pytest.raises(SettingsError, match=r"'huge'.*full, quick"):
        profile_named("huge")


@given(
    st.builds(
        Profile,
        name=st.just("any"),
        scenarios=st.lists(st.sampled_from(Scenario), unique=True, min_size=1).map(tuple),
        users=st.integers(1, 50),
        repeats=st.integers(1, 8),
        sweep_users=st.lists(st.integers(1, 64), max_size=8).map(tuple),
        open_s=st.sampled_from([0.0, 5.0]),
    )
)
def test_every_unit_has_a_name_of_its_own_and_the_plan_is_always_the_same(profile: Profile) -> None:
    units = plan(profile)

    assert len({unit.name for unit in units}) == len(units)
    assert plan(profile) == units
    assert [unit.block for unit in units] == sorted(
        (unit.block for unit in units), key=list(Block).index
    )
