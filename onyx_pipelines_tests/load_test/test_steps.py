"""From settings to a report, without Dagster: what the command line and the assets share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.plan import Profile, plan
from onyx_pipelines.load_test.results import LoadVerdict, Scenario
from onyx_pipelines.load_test.running.run_folder import RunFolder
from onyx_pipelines_tests.load_test.small_target import SmallTarget, small_target

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


@pytest.fixture(scope="module")
def small() -> Iterator[SmallTarget]:
    with small_target() as target:
        yield target


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, small: SmallTarget) -> Settings:
    root = tmp_path_factory.mktemp("steps")
    return load_settings(
        {
            "state_dir": root / "state",
            "reports_dir": root / "reports",
            "load_test_url": small.url,
        }
    )


@pytest.fixture(scope="module")
def folder(settings: Settings, small: SmallTarget) -> RunFolder:
    """A run that several tests only look at."""
    small.behaviour.delay_s = 0.01
    return steps.run(settings, PROFILE, "one")


@pytest.fixture
def copied(settings: Settings, folder: RunFolder, tmp_path: Path) -> tuple[Settings, RunFolder]:
    """The same run, to be changed."""
    shutil.copytree(settings.state_dir, tmp_path / "state")
    (tmp_path / "state" / folder.result_path.relative_to(settings.state_dir)).unlink(
        missing_ok=True
    )
    told = settings.model_copy(update={"state_dir": tmp_path / "state"})
    return told, steps.find_run(told, label="one")


def test_a_run_is_found_by_its_label_its_key_and_as_the_latest(
    settings: Settings, folder: RunFolder
) -> None:
    assert steps.find_run(settings).run_key == folder.run_key
    assert steps.find_run(settings, folder.run_key[:6]).run_key == folder.run_key
    assert steps.find_run(settings, label="one").run_key == folder.run_key
    with pytest.raises(NotFoundError, match="no load test two"):
        steps.find_run(settings, label="two")


def test_a_report_is_made_again_without_sending_anything(
    settings: Settings, folder: RunFolder, small: SmallTarget
) -> None:
    sent = len(small.behaviour.seen)

    strict = settings.model_copy(update={"rag_p95_objective_ms": 1.0})
    result, _ = steps.report(strict, folder)

    assert len(small.behaviour.seen) == sent
    assert result.objectives[0].verdict is LoadVerdict.FAILED


def test_a_run_is_analysed_once_by_whoever_asks_first(copied: tuple[Settings, RunFolder]) -> None:
    settings, folder = copied
    first = steps.result_of(settings, folder)
    kept = folder.result_path.stat().st_mtime_ns

    again = steps.result_of(settings, folder)
    steps.report(settings, folder)
    steps.promote(settings, folder, by="Ada")

    assert again == first
    assert folder.result_path.stat().st_mtime_ns == kept


def test_what_another_result_would_be_made_from_is_analysed_anew(
    copied: tuple[Settings, RunFolder],
) -> None:
    settings, folder = copied
    first = steps.result_of(settings, folder)

    stricter = settings.model_copy(update={"rag_p95_objective_ms": 1.0})
    other_target = steps.result_of(stricter, folder)
    folder.forget(plan(PROFILE)[-1:])
    fewer_units = steps.result_of(settings, folder)

    assert (first.objectives[0].target, other_target.objectives[0].target) == (200, 1)
    assert len(fewer_units.sweep) < len(first.sweep)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"made_from": "x", "result": {"run_id": "old"}}']
)
def test_a_kept_result_that_cannot_be_read_is_made_anew(
    copied: tuple[Settings, RunFolder], content: bytes
) -> None:
    settings, folder = copied
    folder.result_path.write_bytes(content)

    assert steps.result_of(settings, folder).run_id == folder.run_key
    assert len(folder.result_path.read_bytes()) > 1000


def test_a_later_run_is_compared_with_the_baseline_that_was_promoted(
    copied: tuple[Settings, RunFolder], small: SmallTarget
) -> None:
    settings, first = copied
    steps.promote(settings, first, by="Ada")
    small.behaviour.delay_s = 0.1

    second = steps.run(settings, PROFILE, "two")
    result, files = steps.report(settings, second)

    (deciding,) = (each for each in result.comparison.changes if each.is_gating)
    assert deciding.ratio is not None
    assert deciding.ratio > 1.5
    assert result.comparison.baseline_id is not None
    assert files.html.exists()
    # The baseline itself is compared with none.
    assert steps.result_of(settings, first).comparison.baseline_id is None


def test_without_a_target_nothing_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ONYX_LOAD_TEST_URL is not set"):
        steps.run(load_settings({"state_dir": tmp_path}), PROFILE, "one")


def test_a_host_that_is_not_listed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    settings = load_settings({"state_dir": tmp_path, "load_test_url": "http://example.org"})

    with pytest.raises(SettingsError, match="nothing was sent to it"):
        steps.run(settings, PROFILE, "one")

    assert not list(tmp_path.iterdir())
