"""A plan says what would be overwritten, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange
from onyx_pipelines.restore.volumes.volume_objects import volumes_of
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, plan, settings_for
from onyx_pipelines_tests.sources.volumes.trees import tree_of


def test_a_volume_in_its_place_is_overwritten(vault: Vault, volume: Path, tmp_path: Path) -> None:
    objects = vault.back_up({"v": volume})
    before = tree_of(tmp_path)

    (change,) = plan(objects, RestoreChoice(), settings_for(tmp_path, {"v": volume}))

    assert (change.what, change.target, change.overwrites) == ("volume v", str(volume), True)
    assert "removed (20,270 bytes in its files)" in change.detail
    assert "no Docker engine: whatever else uses the directory must be stopped" in change.detail
    assert tree_of(tmp_path) == before


def test_a_new_directory_is_not_overwritten(vault: Vault, volume: Path, tmp_path: Path) -> None:
    objects = vault.back_up({"v": volume})
    request = RestoreChoice(volumes=("v",), into=str(tmp_path / "new"))

    (change,) = plan(objects, request, settings_for(tmp_path, {"v": volume}))

    size = volumes_of(objects)[0].plain_bytes
    assert change == PlannedChange(
        "volume v", str(tmp_path / "new"), overwrites=False,
        detail=f"The archive has {size:,} bytes.",
    )  # fmt: skip


def test_each_path_is_a_change_of_its_own(vault: Vault, volume: Path, tmp_path: Path) -> None:
    objects = vault.back_up({"v": volume})
    (volume / "folder.txt").unlink()
    request = RestoreChoice(volumes=("v",), paths=("folder.txt", "folder/below/"))

    changes = plan(objects, request, settings_for(tmp_path, {"v": volume}))

    assert [(change.what, change.overwrites) for change in changes] == [
        ("folder/below of volume v", True),
        ("folder.txt of volume v", False),
    ]


def test_labelled_containers_are_announced(
    vault: Vault, volume: Path, tmp_path: Path, docker: DockerWorld
) -> None:
    objects = vault.back_up({"v": volume})
    for name, value in (("of-v", "v"), ("of-all", ""), ("of-w", "w")):
        docker.create(name, labels={docker.label: value})
    settings = settings_for(tmp_path, {"v": volume}).model_copy(
        update={"stop_containers_label": docker.label, "docker_host": docker.host}
    )

    (change,) = plan(objects, RestoreChoice(), settings)

    assert f"started again: {docker.prefix}of-all, {docker.prefix}of-v." in change.detail


def test_a_mount_point_and_a_full_disk_are_announced(
    vault: Vault, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = vault.back_up({"v": volume})
    module = "onyx_pipelines.restore.volumes"
    monkeypatch.setattr(f"{module}.planning.is_mount_point", lambda _: True)
    monkeypatch.setattr("onyx_pipelines.host.scratch.free_bytes", lambda _: 0)

    (change,) = plan(objects, RestoreChoice(), settings_for(tmp_path, {"v": volume}))

    assert "It is a mount point" in change.detail
    assert "the restore will refuse" in change.detail
