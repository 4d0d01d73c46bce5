"""The playbooks in Dagster: how each was last rehearsed, and when the next game day comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.core.names import Asset
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness.assets import incident_playbooks
from onyx_pipelines.readiness.automation import why_not_rehearse
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook
from onyx_pipelines_tests.readiness.rehearsals.made_rehearsals import one_of_each, rehearsal

NOW = datetime.now(UTC)


def keep(state_dir: Path, age: timedelta = timedelta()) -> None:
    for each in one_of_each(struck_at=NOW - age).values():
        RehearsalBook(state_dir).add(each)


def looked_at(state_dir: Path) -> dg.ExecuteInProcessResult:
    onyx = OnyxSettings(overrides={"state_dir": state_dir})
    return dg.materialize([incident_playbooks], resources={"onyx": onyx})


def test_the_asset_tells_of_the_last_rehearsal_of_each(tmp_path: Path) -> None:
    keep(tmp_path)

    found = looked_at(tmp_path)

    (check,) = found.get_asset_check_evaluations()
    metadata = found.asset_materializations_for_node(Asset.INCIDENT_PLAYBOOKS)[0].metadata
    assert check.passed
    assert metadata["rehearsed"].value == 6
    assert metadata["detect_s/llm-service-down"].value == 9.0
    assert metadata["repair_s/ssl-expiry"].value == 8.0
    assert "PostgresqlDown" in str(metadata["playbooks"].value)


@pytest.mark.parametrize("failed", [True, False])
def test_a_playbook_that_failed_or_was_never_rehearsed_does_not_pass(
    failed: bool, tmp_path: Path
) -> None:
    if failed:
        keep(tmp_path)
        later = rehearsal(Playbook.LLM_DOWN, rehearsal_id="b", struck_at=NOW, cleared_s=None)
        RehearsalBook(tmp_path).add(later.model_copy(update={"struck_at": datetime.now(UTC)}))

    (check,) = looked_at(tmp_path).get_asset_check_evaluations()

    assert not check.passed
    assert check.metadata["verdict"].value == ("failed" if failed else "could_not_verify")


@pytest.mark.parametrize(
    ("age", "wanted", "why"),
    [
        (timedelta(days=80), True, ""),
        (timedelta(days=70), True, "The last game day was 70 days"),
        (timedelta(days=80), False, "ONYX_REHEARSALS is not set."),
    ],
)
def test_a_game_day_comes_two_weeks_before_the_last_one_is_too_old(
    age: timedelta, wanted: bool, why: str, tmp_path: Path
) -> None:
    keep(tmp_path, age)
    settings = load_settings({"state_dir": tmp_path, "rehearsals": wanted})

    assert why_not_rehearse(settings).startswith(why)
    assert bool(why_not_rehearse(settings)) is bool(why)


def test_a_playbook_that_was_never_rehearsed_is_on_the_next_sunday(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": tmp_path, "rehearsals": True})

    assert why_not_rehearse(settings) == ""
