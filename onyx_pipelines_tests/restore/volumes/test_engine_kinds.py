"""A restore of every kind of volume that an engine has, to where its containers see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_docker import Troubled
from onyx_pipelines_tests.mounting import Kind, overlay_options
from onyx_pipelines_tests.restore.volumes.engine_stacks import Stack, bound, change, device, stack
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    bytes_of,
    restored,
    settings_for,
)

__all__ = ["bound", "device", "stack"]

IN_PLACE = RestoreChoice()


def test_a_bind_volume_is_restored_where_its_containers_see_it(bound: Stack, device: Path) -> None:
    objects = bound.backed_up()
    change(device)
    bound.use("reader")

    result = restored(objects, IN_PLACE, bound.settings)

    assert result.findings[-1].message == f"Put in place: {device}."
    assert bound.docker.output("reader", "cat", "/d/file") == "as it was"


def test_one_that_only_its_containers_mount_is_not_restored_in_its_place(
    docker: DockerWorld, vault: Vault, volume: Path, tmp_path: Path
) -> None:
    (tmp_path / "layers").mkdir()
    layers = overlay_options(tmp_path / "layers")
    options = {"type": Kind.OVERLAY.value, "o": layers, "device": "overlay"}
    mountpoint = docker.create_volume("v", options=options)
    docker.create("app", mounts={f"{docker.prefix}v": "/d"})
    (mountpoint / "file").write_bytes(b"content")
    objects = vault.back_up({"v": volume})
    settings = settings_for(tmp_path, {"v": mountpoint})

    with pytest.raises(RestoreError, match="mounted only for its containers"):
        restored(objects, IN_PLACE, settings.model_copy(update={"docker_host": docker.host}))

    assert (mountpoint / "file").read_bytes() == b"content"


class TestOneOfAnotherDriver:
    """A container sees what the driver mounts there, not what a restore would put below that."""

    REFUSED = "of the driver elsewhere: it is mounted only for"

    @pytest.fixture
    def mountpoint(self, docker: DockerWorld, troubled: Troubled, tmp_path: Path) -> Path:
        """Of a volume of one file, which is there while its container runs."""
        (tmp_path / "layers").mkdir()
        layers = overlay_options(tmp_path / "layers")
        options = {"type": Kind.OVERLAY.value, "o": layers, "device": "overlay"}
        troubled.trouble.drivers["v"] = "elsewhere"
        mountpoint = docker.create_volume("v", options=options)
        docker.create("app", mounts={f"{docker.prefix}v": "/d"})
        (mountpoint / "file").write_bytes(b"content")
        return mountpoint

    @pytest.fixture
    def objects(self, mountpoint: Path, vault: Vault, troubled: Troubled) -> SetObjects:
        return vault.back_up({"v": mountpoint}, docker_host=troubled.host)

    def test_is_not_restored_in_its_place(
        self, mountpoint: Path, objects: SetObjects, troubled: Troubled, tmp_path: Path
    ) -> None:
        settings = settings_for(tmp_path, {"v": mountpoint})

        with pytest.raises(RestoreError, match=self.REFUSED):
            restored(objects, IN_PLACE, settings.model_copy(update={"docker_host": troubled.host}))

    def test_that_is_gone_is_not_either_but_comes_back_elsewhere(
        self, docker: DockerWorld, objects: SetObjects, troubled: Troubled, tmp_path: Path
    ) -> None:
        docker.remove("app")
        docker.remove_volume("v")
        place = tmp_path / "where-its-driver-mounts-it"
        settings = settings_for(tmp_path, {"v": place}).model_copy(
            update={"docker_host": troubled.host}
        )

        with pytest.raises(RestoreError, match=self.REFUSED):
            restored(objects, IN_PLACE, settings)
        elsewhere = restored(objects, RestoreChoice(into=str(tmp_path / "elsewhere")), settings)

        assert not place.exists()
        assert elsewhere.verdict is Verdict.PASSED
        assert bytes_of(tmp_path / "elsewhere" / "v") == {"file": b"content"}


def test_a_directory_with_a_comma_in_its_name_is_mounted_and_restored_as_any_other(
    docker: DockerWorld, vault: Vault, tmp_path: Path
) -> None:
    directory = tmp_path / "a,b"
    directory.mkdir()
    (directory / "file").write_bytes(b"as it was")
    objects = vault.back_up({"x,y": directory}, docker_host=docker.host)
    change(directory)
    docker.create("reader", mounts={str(directory): "/d"})
    settings = settings_for(tmp_path, {"x,y": directory})

    restored(objects, IN_PLACE, settings.model_copy(update={"docker_host": docker.host}))

    assert docker.output("reader", "cat", "/d/file") == "as it was"
