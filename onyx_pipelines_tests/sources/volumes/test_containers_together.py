"""Containers that belong together stop and start together, and each comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sources.source import ComponentReport
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.sources.volumes.docker_engine import Container, Mount
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_docker import Troubled
from onyx_pipelines_tests.recording_sink import RecordingSink


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "file").write_bytes(b"content")
    return tmp_path / "v"


def settings_of(volume: Path, docker: DockerWorld, host: str = "") -> Settings:
    return load_settings(
        {
            "volumes": f"v={volume}",
            "stop_containers_label": docker.label,
            "docker_host": host or docker.host,
            "state_dir": volume.parent / "state",
        }
    )


def backed_up(
    settings: Settings, while_read: Callable[[str], object] = lambda _: None
) -> ComponentReport:
    return VolumesSource.from_settings(settings).back_up(RecordingSink(while_read), silent)


def service(name: str, depends_on: str = "") -> dict[str, str]:
    return {
        "com.docker.compose.project": "onyx",
        "com.docker.compose.service": name,
        "com.docker.compose.depends_on": depends_on,
    }


def test_one_that_shares_a_network_stops_first_and_starts_last_though_it_has_no_label(
    docker: DockerWorld, troubled: Troubled, volume: Path
) -> None:
    docker.create("writer", labels={docker.label: "v"})
    docker.create("a-sidecar", NetworkMode=f"container:{docker.prefix}writer")

    backed_up(settings_of(volume, docker, troubled.host))

    assert troubled.trouble.calls == [
        "stop a-sidecar", "stop writer", "start writer", "start a-sidecar",
    ]  # fmt: skip
    assert docker.status("a-sidecar") == docker.status("writer") == "running"
    assert docker.output("a-sidecar", "readlink", "/proc/1/ns/net") == docker.output(
        "writer", "readlink", "/proc/1/ns/net"
    )


def test_what_depends_on_a_healthy_one_is_started_when_it_is(
    docker: DockerWorld, troubled: Troubled, volume: Path
) -> None:
    check = {"Test": ["CMD-SHELL", "[ -e /up ]"], "Interval": 200_000_000, "Retries": 50}
    starts_slowly = ("sh", "-c", "rm -f /up; sleep 1; touch /up; exec sleep 600")
    docker.create("a-db", labels={docker.label: "v"} | service("db"), command=starts_slowly,
                  healthcheck=check)  # fmt: skip
    depends = service("api", "db:service_healthy:false")
    docker.create("z-api", labels={docker.label: "v"} | depends)
    health: list[str] = []
    troubled.trouble.before_start.append(
        lambda: health.append(docker.inspect("a-db")["State"]["Health"]["Status"])
    )
    troubled.trouble.before_start.append(lambda: None)

    backed_up(settings_of(volume, docker, troubled.host))

    assert troubled.trouble.calls == ["stop z-api", "stop a-db", "start a-db", "start z-api"]
    assert health == ["healthy"]


def test_one_that_keeps_restarting_does_not_run_while_the_volume_is_read(
    docker: DockerWorld, volume: Path
) -> None:
    again = {"Name": "always"}
    docker.create("loop", labels={docker.label: "v"}, command=("sh", "-c", "exit 3"),
                  RestartPolicy=again)  # fmt: skip
    seen: list[str] = []

    backed_up(settings_of(volume, docker), lambda _: seen.append(docker.status("loop")))

    assert set(seen) == {"exited"}
    assert docker.status("loop") in ("restarting", "running")


def test_a_paused_one_stays_paused_and_that_is_said(docker: DockerWorld, volume: Path) -> None:
    docker.create("frozen", labels={docker.label: "v"})
    docker.pause("frozen")

    report = backed_up(settings_of(volume, docker))

    assert docker.status("frozen") == "paused"
    assert "frozen is paused and was left so" in report.warnings[0]


def test_one_that_is_made_anew_meanwhile_is_named(docker: DockerWorld, volume: Path) -> None:
    docker.create("app", labels={docker.label: "v"}, mounts={str(volume): "/d"})
    once = [docker]

    def make_anew(_: str) -> None:
        if once:
            once.pop().create("app-anew", mounts={str(volume): "/d"})

    report = backed_up(settings_of(volume, docker), make_anew)

    assert report.warnings == (
        "volume v: started while it was read, so that it may be of two moments:"
        f" {docker.prefix}app-anew",
    )


def test_our_own_container_is_nobody_who_is_stopped() -> None:
    own = Container("own", "onyx", "running", mounts=(Mount("/srv/v", "/volumes/v"),))
    other = Container("other", "app", "running", mounts=(Mount("/srv/v", "/d"),))
    elsewhere = replace(other, id="elsewhere", mounts=(Mount("/volumes/v", "/d"),))
    places = EnginePlaces(own_id="own", own_mounts=own.mounts)

    users = places.users(Path("/volumes/v"), [own, other, elsewhere])

    assert users == [other]


def test_who_has_a_part_of_the_directory_uses_it_and_so_may_who_has_what_is_above() -> None:
    part = Container("1", "part", "running", mounts=(Mount("/srv/v/part", "/d"),))
    writer = Container("2", "writer", "running", mounts=(Mount("/srv", "/d"),))
    reader = Container("3", "reader", "running", mounts=(Mount("/", "/host", is_writable=False),))
    beside = Container("4", "beside", "running", mounts=(Mount("/srv/v2", "/d"),))

    places, all_of_them = EnginePlaces(), [part, writer, reader, beside]

    assert places.users(Path("/srv/v"), all_of_them) == [part]
    assert places.writers_above(Path("/srv/v"), all_of_them) == [writer]
