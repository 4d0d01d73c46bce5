"""From settings to a report, without Dagster: what the command line and the assets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.errors import NotFoundError, SettingsError
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.plan import Profile
from onyx_pipelines.load_test.results import LoadVerdict, Scenario
from onyx_pipelines.settings import Settings, load_settings
from onyx_pipelines_tests.load_test.small_target import SmallTarget

pytestmark = pytest.mark.slow

PROFILE = Profile(
    name="small",
    scenarios=(Scenario.RAG,),
    users=6,
    messages=20,
    repeats=3,
    sweep_users=(1, 2),
    step_s=1,
    open_s=0,
)


@pytest.fixture
def settings(tmp_path: Path, small: SmallTarget) -> Settings:
    small.behaviour.delay_s = 0.01
    return load_settings(
        {
            "state_dir": tmp_path / "state",
            "reports_dir": tmp_path / "reports",
            "load_test_url": small.url,
        }
    )


def test_a_run_is_found_by_its_label_its_key_and_as_the_latest(settings: Settings) -> None:
    folder = steps.run(settings, PROFILE, "one")

    assert steps.find_run(settings).run_key == folder.run_key
    assert steps.find_run(settings, folder.run_key[:6]).run_key == folder.run_key
    assert steps.find_run(settings, label="one").run_key == folder.run_key
    with pytest.raises(NotFoundError, match="no load test two"):
        steps.find_run(settings, label="two")


def test_a_later_run_is_compared_with_the_baseline_that_was_promoted(
    settings: Settings, small: SmallTarget
) -> None:
    first = steps.run(settings, PROFILE, "one")
    steps.promote(settings, first, by="Ada")
    small.behaviour.delay_s = 0.04

    second = steps.run(settings, PROFILE, "two")
    result, files = steps.report(settings, second)

    (deciding,) = (each for each in result.comparison.changes if each.is_gating)
    assert deciding.ratio is not None
    assert deciding.ratio > 2
    assert result.comparison.baseline_id is not None
    assert files.html.exists()
    # The baseline itself is compared with none.
    assert steps.result_of(settings, first).comparison.baseline_id is None


def test_a_report_is_made_again_without_sending_anything(
    settings: Settings, small: SmallTarget
) -> None:
    folder = steps.run(settings, PROFILE, "one")
    sent = len(small.behaviour.seen)

    strict = settings.model_copy(update={"rag_p95_objective_ms": 1.0})
    result, _ = steps.report(strict, folder)

    assert len(small.behaviour.seen) == sent
    assert result.objectives[0].verdict is LoadVerdict.FAILED


def test_without_a_target_nothing_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ONYX_LOAD_TEST_URL is not set"):
        steps.run(load_settings({"state_dir": tmp_path}), PROFILE, "one")


def test_a_host_that_is_not_listed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": tmp_path, "load_test_url": "http://example.org"})

    with pytest.raises(SettingsError, match="nothing was sent to it"):
        steps.run(settings, PROFILE, "one")

    assert not list(tmp_path.iterdir())
