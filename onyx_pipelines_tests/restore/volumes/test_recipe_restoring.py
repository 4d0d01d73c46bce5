"""What the stack was made from is restored beside, never over what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.sources.volumes.recipe import RECIPE, Recipe
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    drilled,
    plan,
    restored,
    settings_for,
)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "srv").mkdir(mode=0o700)
    path = tmp_path / "srv" / ".env"
    path.write_text("PASSWORD=as it was", encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def settings(tmp_path: Path, volume: Path) -> Settings:
    return settings_for(tmp_path, {"v": volume})


@pytest.fixture
def objects(vault: Vault, volume: Path, secret: Path, tmp_path: Path) -> SetObjects:
    sink = RecordingSink()
    recipe = Recipe((secret,), (), tmp_path / "notes")
    VolumesSource({"v": volume}, recipe=recipe).back_up(sink, silent)
    return vault.seal({path: each.data for path, each in sink.objects.items()})


def restored_to(settings: Settings, objects: SetObjects) -> Path:
    return settings.state_dir / "restored-recipe" / objects.manifest.backup_id


def test_a_whole_restore_puts_it_into_a_private_directory_of_its_own(
    objects: SetObjects, settings: Settings, secret: Path
) -> None:
    secret.write_text("PASSWORD=newer", encoding="utf-8")

    result = restored(objects, RestoreChoice(), settings)

    copy = restored_to(settings, objects) / secret.relative_to("/")
    assert result.verdict is Verdict.PASSED
    assert copy.read_text(encoding="utf-8") == "PASSWORD=as it was"
    assert secret.read_text(encoding="utf-8") == "PASSWORD=newer"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert restored_to(settings, objects).parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_says_where_it_goes_and_that_nothing_is_replaced(
    objects: SetObjects, settings: Settings
) -> None:
    (change,) = plan(objects, RestoreChoice(volumes=(RECIPE,)), settings)

    assert (change.target, change.overwrites) == (str(restored_to(settings, objects)), False)
    assert "Put there to be looked at" in change.detail


def test_it_can_be_put_anywhere(
    objects: SetObjects, settings: Settings, secret: Path, tmp_path: Path
) -> None:
    restored(objects, RestoreChoice(volumes=(RECIPE,), into=str(tmp_path / "recipe")), settings)

    assert (tmp_path / "recipe" / secret.relative_to("/")).read_bytes() == secret.read_bytes()


def test_it_is_drilled_with_the_volumes(objects: SetObjects, tmp_path: Path) -> None:
    assert drilled(objects, tmp_path).verdict is Verdict.PASSED
