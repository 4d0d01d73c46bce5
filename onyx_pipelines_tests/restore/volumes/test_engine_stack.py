"""One stack on a real engine through backup and restore: a volume with driver options, a writer, a
sidecar in its network, and a reader without a label."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, restored, settings_for
from onyx_pipelines_tests.waiting import wait_until

WRITES = "i=0; while :; do i=$((i+1)); echo $i >> /d/log; sleep 0.1; done"
WAITS = "while :; do sleep 0.2; done"
SERVICES = ("writer", "sidecar", "reader")


def service(name: str, depends_on: str = "") -> dict[str, str]:
    return {
        "com.docker.compose.project": "onyx",
        "com.docker.compose.service": name,
        "com.docker.compose.depends_on": depends_on,
    }


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "device").mkdir()
    return tmp_path / "device"


@pytest.fixture
def settings(docker: DockerWorld, device: Path, tmp_path: Path) -> Settings:
    """The services run, and the settings know the mount point of their volume."""
    mountpoint = docker.create_volume(
        "files", options={"type": "none", "o": "bind", "device": str(device)}
    )
    mounts, stops = {f"{docker.prefix}files": "/d"}, {docker.label: "files"}
    docker.create("writer", labels=service("writer") | stops, command=("sh", "-c", WRITES),
                  mounts=mounts, RestartPolicy={"Name": "unless-stopped"})  # fmt: skip
    docker.create("sidecar", labels=service("sidecar", "writer:service_started:false") | stops,
                  command=("sh", "-c", WAITS), mounts=mounts,
                  NetworkMode=f"container:{docker.prefix}writer")  # fmt: skip
    docker.create("reader", labels=service("reader"), command=("sh", "-c", WAITS), mounts=mounts)
    wait_until((device / "log").exists, "the writer writes")
    return settings_for(tmp_path, {"files": mountpoint}).model_copy(
        update={"docker_host": docker.host, "stop_containers_label": docker.label}
    )


def network(docker: DockerWorld, name: str) -> str:
    return docker.output(name, "readlink", "/proc/1/ns/net")


def test_it_is_backed_up_at_rest_and_restored_with_every_service_running_on_the_new_data(
    docker: DockerWorld, vault: Vault, device: Path, settings: Settings
) -> None:
    sink = RecordingSink()
    report = VolumesSource.from_settings(settings).back_up(sink, silent)
    kept = (device / "log").read_bytes()
    objects = vault.seal({path: each.data for path, each in sink.objects.items()})
    (device / "log").write_bytes(b"lost\n")
    (device / "since").touch()

    result = restored(objects, RestoreChoice(volumes=("files",)), settings)

    assert report.warnings == ()
    assert result.verdict is Verdict.PASSED
    assert [docker.status(name) for name in SERVICES] == ["running"] * 3
    assert network(docker, "sidecar") == network(docker, "writer")
    assert not (device / "since").exists()
    for name in SERVICES:
        assert docker.output(name, "cat", "/d/log").startswith("1\r\n2")
    assert b"lost" not in (device / "log").read_bytes()
    assert kept.startswith(b"1\n")
