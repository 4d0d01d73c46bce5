"""Backups, drills and restores by a user who is not root."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import OnyxError, RestoreError, SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.requirements_of_tests import unavailable
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    drilled,
    make_vault,
    plan,
    restored,
    settings_for,
    unverified,
)
from onyx_pipelines_tests.sources.volumes.trees import tree_of
from onyx_pipelines_tests.users import NOBODY, at_home_of

SETUID_SETGID = 0o6755


@pytest.fixture
def home() -> Iterator[Path]:
    """Nobody's directory; the test is nobody's from then on."""
    # What is loaded on demand may lie where only root can read.
    for name in ("drilling", "restoring"):
        import_module(f"onyx_pipelines.restore.volumes.{name}")
    with at_home_of(NOBODY) as folder:
        yield folder


@pytest.fixture
def vault(home: Path) -> Vault:
    return make_vault(home / "vault")


@pytest.fixture
def mine(home: Path) -> Path:
    root = home / "v"
    (root / "closed" / "below").mkdir(parents=True)
    (root / "closed" / "below" / "file").write_bytes(b"content")
    (root / "closed" / "below").chmod(0o500)
    (root / "program").write_bytes(b"#!")
    (root / "program").chmod(SETUID_SETGID)
    (root / "link").symlink_to("program")
    (root / "second").hardlink_to(root / "closed" / "below" / "file")
    return root


def put_elsewhere(vault: Vault, volume: Path) -> tuple[ComponentResult, Path]:
    objects = vault.back_up({"v": volume})
    request = RestoreChoice(volumes=("v",), into=str(volume.parent / "out"))
    return restored(objects, request, settings_for(volume.parent)), volume.parent / "out"


def test_what_is_theirs_passes_the_drill_and_comes_back(vault: Vault, mine: Path) -> None:
    objects = vault.back_up({"v": mine})
    before = tree_of(mine)
    (mine / "program").unlink()

    drill = drilled(objects, mine.parent)
    result = restored(objects, RestoreChoice(), settings_for(mine.parent, {"v": mine}))

    assert drill.verdict is result.verdict is Verdict.PASSED
    assert tree_of(mine) == before


@pytest.mark.parametrize(
    ("owner", "mode"), [((0, 0), 0o755), ((0, NOBODY), 0o2755), ((NOBODY, 0), 0o4755)]
)
def test_a_program_of_somebody_else_does_not_run_as_this_user(
    vault: Vault, mine: Path, owner: tuple[int, int], mode: int
) -> None:
    os.seteuid(0)
    os.chown(mine / "program", *owner)
    (mine / "program").chmod(SETUID_SETGID)
    os.seteuid(NOBODY)

    result, out = put_elsewhere(vault, mine)

    status = (out / "program").stat()
    assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)
    assert status.st_mode & 0o7777 == mode
    assert result.verdict is Verdict.COULD_NOT_VERIFY
    assert "owners cannot be restored by this user" in unverified(result)[0].message


IN_PLACE = RestoreChoice(volumes=("v",))


def asking(docker: DockerWorld, settings: Settings) -> Settings:
    return settings.model_copy(update={"docker_host": docker.host})


class TestWithAnEngine:
    """Which this user may use, but for the directories that it keeps volumes in."""

    @pytest.fixture(autouse=True)
    def socket(self, docker: DockerWorld) -> Iterator[Path]:
        """Before the test is nobody's, who can start none."""
        if "DOCKER_TEST_HOST" in os.environ:
            unavailable("that engine is not for everybody")
        socket = Path(docker.host.removeprefix("unix://"))
        socket.chmod(0o666)
        yield socket
        socket.chmod(0o600)

    @pytest.fixture
    def device(self, mine: Path) -> Path:
        """Theirs."""
        return mine

    @pytest.fixture
    def settings(self, docker: DockerWorld, device: Path) -> Settings:
        """The volume is a bind mount of what is theirs, and a container uses it."""
        options = {"type": "none", "o": "bind", "device": str(device)}
        mountpoint = docker.create_volume("v", options=options, labels={"project": "onyx"})
        docker.create("reader", mounts={f"{docker.prefix}v": "/d"})
        return asking(docker, settings_for(device.parent, {"v": mountpoint}))

    def test_containers_stop_while_a_volume_of_theirs_is_read(
        self, docker: DockerWorld, settings: Settings
    ) -> None:
        docker.create("writer", labels={docker.label: "v"})
        settings = settings.model_copy(update={"stop_containers_label": docker.label})
        seen: set[str] = set()
        sink = RecordingSink(lambda _: seen.add(docker.status("writer")))

        report = VolumesSource.from_settings(settings).back_up(sink, silent)

        assert report.warnings == ()
        assert seen == {"exited"}
        assert docker.status("writer") == "running"

    def test_a_volume_of_theirs_is_restored_with_its_containers_on_it(
        self, docker: DockerWorld, vault: Vault, device: Path, settings: Settings
    ) -> None:
        objects = vault.back_up(settings.volume_paths, docker_host=settings.docker_host)
        before = tree_of(device)
        (device / "program").unlink()

        result = restored(objects, IN_PLACE, settings)

        assert result.verdict is Verdict.PASSED
        assert tree_of(device) == before
        assert docker.output("reader", "cat", "/d/second") == "content"

    def test_one_that_is_gone_is_made_again(
        self, docker: DockerWorld, vault: Vault, device: Path, settings: Settings
    ) -> None:
        objects = vault.back_up(settings.volume_paths, docker_host=settings.docker_host)
        before = tree_of(device)
        docker.remove("reader")
        docker.remove_volume("v")
        (device / "closed" / "below").chmod(0o700)
        shutil.rmtree(device)

        result = restored(objects, IN_PLACE, settings)

        made = docker.volume("v")
        assert result.verdict is Verdict.PASSED
        assert made is not None
        assert made["Labels"] == {"project": "onyx"}
        assert tree_of(device) == before

    def test_one_in_the_engines_own_directory_is_refused_and_nothing_is_left(
        self, docker: DockerWorld, vault: Vault, mine: Path
    ) -> None:
        mountpoint = docker.create_volume("own")
        objects = vault.back_up({"v": mine})
        settings = asking(docker, settings_for(mine.parent, {"v": mountpoint}))

        with pytest.raises(OnyxError, match="Permission denied"):
            plan(objects, IN_PLACE, settings)
        with pytest.raises(RestoreError, match="Permission denied"):
            restored(objects, IN_PLACE, settings)

        os.seteuid(0)
        assert list(mountpoint.iterdir()) == []
        assert [path.name for path in mountpoint.parent.iterdir()] == ["_data"]
        os.seteuid(NOBODY)

    def test_one_that_is_gone_and_would_be_there_is_not_made(
        self, docker: DockerWorld, vault: Vault, home: Path
    ) -> None:
        os.seteuid(0)
        mountpoint = docker.create_volume("own")
        (mountpoint / "file").write_bytes(b"content")
        objects = vault.back_up({"v": mountpoint}, docker_host=docker.host)
        docker.remove_volume("own")
        os.seteuid(NOBODY)
        settings = asking(docker, settings_for(home, {"v": mountpoint}))

        with pytest.raises(OnyxError, match="Permission denied"):
            restored(objects, IN_PLACE, settings)

        assert docker.volume("own") is None

    def test_one_that_they_may_not_use_stops_the_restore_before_anything_is_touched(
        self, vault: Vault, device: Path, settings: Settings, socket: Path
    ) -> None:
        objects = vault.back_up(settings.volume_paths, docker_host=settings.docker_host)
        os.seteuid(0)
        socket.chmod(0o600)
        os.seteuid(NOBODY)
        (device / "program").unlink()

        with pytest.raises(SourceError, match="this user may not use it"):
            restored(objects, IN_PLACE, settings)

        assert not (device / "program").exists()
