"""An engine with a volume of one file, and what happens to it before a restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, settings_for
from onyx_pipelines_tests.sources.volumes.trees import archive


@dataclass(frozen=True)
class Stack:
    """An engine with a volume of one file."""

    docker: DockerWorld
    vault: Vault
    directory: Path
    settings: Settings

    @property
    def volume(self) -> str:
        return f"{self.docker.prefix}v"

    def backed_up(self) -> SetObjects:
        return self.vault.back_up({"v": self.directory}, docker_host=self.docker.host)

    def backed_up_damaged(self) -> SetObjects:
        """The archive has another file than the facts say."""
        sink = RecordingSink()
        VolumesSource({"v": self.directory}, docker_host=self.docker.host).back_up(sink, silent)
        facts = sink.objects["facts/volumes/v.jsonl"].data
        change(self.directory)
        return self.vault.seal(
            {"volumes/v.tar": archive(self.directory).tar, "facts/volumes/v.jsonl": facts}
        )

    def use(self, name: str, **options: object) -> None:
        self.docker.create(name, mounts={self.volume: "/d"}, **options)  # type: ignore[arg-type]  # keywords that a test names


@pytest.fixture
def stack(docker: DockerWorld, vault: Vault, tmp_path: Path) -> Stack:
    directory = docker.create_volume("v", labels={"project": "onyx"})
    (directory / "file").write_bytes(b"as it was")
    return stack_of(docker, vault, directory, tmp_path)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "file").write_bytes(b"as it was")
    return tmp_path / "device"


@pytest.fixture
def bound(docker: DockerWorld, vault: Vault, device: Path, tmp_path: Path) -> Stack:
    """The volume is a bind mount of `device`."""
    directory = docker.create_volume("v", options=bind_options(device))
    return stack_of(docker, vault, directory, tmp_path)


def bind_options(device: Path) -> dict[str, str]:
    return {"type": "none", "o": "bind", "device": str(device)}


def stack_of(docker: DockerWorld, vault: Vault, directory: Path, folder: Path) -> Stack:
    settings = settings_for(folder, {"v": directory})
    return Stack(docker, vault, directory, settings.model_copy(update={"docker_host": docker.host}))


def change(directory: Path) -> None:
    (directory / "file").write_bytes(b"newer")
