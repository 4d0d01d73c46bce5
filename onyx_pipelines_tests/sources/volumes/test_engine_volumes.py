"""Volumes with driver options are mounted only while a container runs: read whole, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sources.source import ComponentReport, ComponentStatus
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume
from onyx_pipelines.sources.volumes.facts import read_facts
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_docker import Troubled
from onyx_pipelines_tests.mounting import Kind, overlay_options
from onyx_pipelines_tests.recording_sink import RecordingSink


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "file").write_bytes(b"content")
    return tmp_path / "device"


def bind_options(device: Path) -> dict[str, str]:
    return {"type": "none", "o": "bind", "device": str(device)}


def settings_of(directory: Path, host: str, tmp_path: Path, label: str = "") -> Settings:
    return load_settings(
        {
            "volumes": f"v={directory}",
            "stop_containers_label": label,
            "docker_host": host,
            "state_dir": tmp_path / "state",
        }
    )


def backed_up(settings: Settings) -> tuple[ComponentReport, RecordingSink]:
    sink = RecordingSink()
    return VolumesSource.from_settings(settings).back_up(sink, silent), sink


def test_a_bind_volume_is_read_where_no_container_runs(
    docker: DockerWorld, device: Path, tmp_path: Path
) -> None:
    mountpoint = docker.create_volume("v", options=bind_options(device))

    report, _ = backed_up(settings_of(mountpoint, docker.host, tmp_path))

    assert report.status is ComponentStatus.COMPLETED
    assert report.summary["volume.v.files"] == 1


def test_it_is_read_where_no_engine_is_asked(
    docker: DockerWorld, device: Path, tmp_path: Path
) -> None:
    mountpoint = docker.create_volume("v", options=bind_options(device))

    report, _ = backed_up(settings_of(mountpoint, "", tmp_path))

    assert report.summary["volume.v.files"] == 1


def layered(tmp_path: Path) -> dict[str, str]:
    """Options of a volume that only its mount makes whole."""
    (tmp_path / "layers").mkdir()
    options = overlay_options(tmp_path / "layers")
    (tmp_path / "layers" / "lower" / "file").write_bytes(b"content")
    return {"type": Kind.OVERLAY, "o": options, "device": "overlay"}


def test_one_that_only_its_containers_mount_is_refused_when_none_runs(
    docker: DockerWorld, tmp_path: Path
) -> None:
    mountpoint = docker.create_volume("v", options=layered(tmp_path))

    with pytest.raises(SourceError, match="with the driver options device, o, type, it is there"):
        backed_up(settings_of(mountpoint, docker.host, tmp_path))


@pytest.mark.parametrize("is_stopped", [False, True])
def test_it_is_read_whole_though_its_containers_stop_for_it(
    docker: DockerWorld, tmp_path: Path, is_stopped: bool
) -> None:
    mountpoint = docker.create_volume("v", options=layered(tmp_path))
    labels = {docker.label: "v"} if is_stopped else {}
    docker.create("app", labels=labels, mounts={f"{docker.prefix}v": "/d"})

    report, _ = backed_up(settings_of(mountpoint, docker.host, tmp_path, docker.label))

    assert report.status is ComponentStatus.COMPLETED
    assert report.summary["volume.v.files"] == 1
    assert docker.status("app") == "running"


class TestOneOfAnotherDriver:
    @pytest.fixture
    def mountpoint(self, docker: DockerWorld, troubled: Troubled, tmp_path: Path) -> Path:
        troubled.trouble.drivers["v"] = "elsewhere"
        return docker.create_volume("v", options=layered(tmp_path))

    def test_is_refused_when_no_container_runs(
        self, mountpoint: Path, troubled: Troubled, tmp_path: Path
    ) -> None:
        with pytest.raises(SourceError, match="of the driver elsewhere, it is there only while"):
            backed_up(settings_of(mountpoint, troubled.host, tmp_path))

    def test_is_read_while_one_runs(
        self, docker: DockerWorld, mountpoint: Path, troubled: Troubled, tmp_path: Path
    ) -> None:
        docker.create("app", mounts={f"{docker.prefix}v": "/d"})

        report, sink = backed_up(settings_of(mountpoint, troubled.host, tmp_path))

        header, _ = read_facts(sink.objects["facts/volumes/v.jsonl"].data.splitlines())
        assert report.summary["volume.v.files"] == 1
        assert header.docker is not None
        assert header.docker.driver == "elsewhere"


def test_one_in_memory_is_refused(docker: DockerWorld, tmp_path: Path) -> None:
    mountpoint = docker.create_volume("v", options={"type": "tmpfs", "device": "tmpfs"})

    with pytest.raises(SourceError, match="Volume v is in memory"):
        backed_up(settings_of(mountpoint, docker.host, tmp_path))


def test_a_bind_volume_whose_device_is_gone_is_refused(docker: DockerWorld, tmp_path: Path) -> None:
    mountpoint = docker.create_volume("v", options=bind_options(tmp_path / "gone"))

    with pytest.raises(SourceError, match=r"Volume v: directory .*/gone cannot be read"):
        backed_up(settings_of(mountpoint, docker.host, tmp_path))


def test_the_facts_say_what_it_was_made_with(
    docker: DockerWorld, device: Path, tmp_path: Path
) -> None:
    options = bind_options(device)
    mountpoint = docker.create_volume("v", options=options, labels={"project": "onyx"})

    _, sink = backed_up(settings_of(mountpoint, docker.host, tmp_path))

    header, _ = read_facts(sink.objects["facts/volumes/v.jsonl"].data.splitlines())
    assert header.docker == EngineVolume(
        f"{docker.prefix}v", options=options, labels={"project": "onyx"}
    )


def test_options_are_described_without_their_values() -> None:
    volume = EngineVolume("v", options={"type": "cifs", "o": "password=secret", "device": "//a/b"})

    assert volume.described() == "with the driver options device, o, type"


def test_without_an_engine_a_directory_is_a_directory(device: Path, tmp_path: Path) -> None:
    report, sink = backed_up(settings_of(device, f"unix://{tmp_path}/no.sock", tmp_path))

    first = json.loads(sink.objects["facts/volumes/v.jsonl"].data.splitlines()[0])
    assert report.status is ComponentStatus.COMPLETED
    assert "docker" not in first
