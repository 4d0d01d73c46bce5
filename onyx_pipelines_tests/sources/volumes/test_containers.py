"""Containers stop only while their volume is read, and always run again afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.errors import AlreadyRunningError, SettingsError, SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sources.source import ComponentReport
from onyx_pipelines.sources.volumes import VolumesSource, restart_journalled
from onyx_pipelines.sources.volumes.docker_engine import DockerEngine
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_docker import Troubled
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.waiting import wait_until

_COMPOSE = {
    "com.docker.compose.project": "onyx",
    "com.docker.compose.service": "api",
    "com.docker.compose.container-number": "1",
}


@pytest.fixture
def volumes(tmp_path: Path) -> dict[str, Path]:
    for name in ("files", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"content")
    return {name: tmp_path / name for name in ("files", "models")}


def _settings(volumes: dict[str, Path], docker: DockerWorld, host: str = "") -> Settings:
    return _settings_of(volumes, docker.label, host or docker.host)


def _settings_of(volumes: dict[str, Path], label: str, host: str) -> Settings:
    return load_settings(
        {
            "volumes": ",".join(f"{name}={path}" for name, path in volumes.items()),
            "stop_containers_label": label,
            "docker_host": host,
            "state_dir": volumes["files"].parent / "state",
        }
    )


def _journal(settings: Settings) -> Path:
    return settings.state_dir / "journal" / "stopped-containers.json"


def _back_up(
    settings: Settings, on_write: Callable[[str], object] = lambda _: None
) -> ComponentReport:
    return VolumesSource.from_settings(settings).back_up(RecordingSink(on_write), silent)


def test_a_container_is_stopped_only_while_its_own_volume_is_read(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("of-files", labels={docker.label: "files"})
    docker.create("of-all", labels={docker.label: ""})
    docker.create("of-none", labels={"other": "files"})
    names = ("of-files", "of-all", "of-none")
    seen: dict[str, list[str]] = {}

    report = _back_up(
        _settings(volumes, docker),
        lambda path: seen.update({path: [docker.status(name) for name in names]}),
    )

    assert seen["volumes/files.tar"] == ["exited", "exited", "running"]
    assert seen["volumes/models.tar"] == ["running", "exited", "running"]
    assert [docker.status(name) for name in names] == ["running"] * 3
    assert report.warnings == ()


def test_what_was_not_running_before_is_not_started(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("stopped", labels={docker.label: "files"})
    docker.create("never-started", labels={docker.label: "files"}, is_running=False)
    docker.stop("stopped")

    _back_up(_settings(volumes, docker))

    assert docker.status("stopped") == "exited"
    assert docker.status("never-started") == "created"


def test_the_journal_stands_before_the_stop_and_goes_after_the_start(
    docker: DockerWorld, troubled: Troubled, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker, troubled.host)
    journals: list[str] = []
    troubled.trouble.before_stop.append(lambda: journals.append(_journal(settings).read_text()))

    _back_up(settings)

    assert f'"name": "{docker.prefix}db"' in journals[0]
    assert not _journal(settings).exists()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, ConnectionError])
def test_containers_run_again_when_the_read_fails(
    docker: DockerWorld, volumes: dict[str, Path], failure: type[BaseException]
) -> None:
    docker.create("db", labels={docker.label: "files"})

    def fail(_: str) -> None:
        raise failure

    with pytest.raises(failure):
        _back_up(_settings(volumes, docker), fail)

    assert docker.status("db") == "running"


@pytest.mark.usefixtures("hangups_end")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_containers_run_again_after_a_signal(
    docker: DockerWorld, volumes: dict[str, Path], number: signal.Signals
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker)
    process = _paused_backup(settings)
    assert docker.status("db") == "exited"

    process.send_signal(number)
    process.communicate(timeout=30)

    assert process.returncode != 0
    assert docker.status("db") == "running"
    assert not _journal(settings).exists()


def test_a_killed_backup_is_made_up_for_by_the_next_one(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker)
    _kill(_paused_backup(settings))
    assert docker.status("db") == "exited"

    report = _back_up(settings)

    assert docker.status("db") == "running"
    assert report.warnings == (
        f"containers that an earlier, killed run had left stopped were started: {docker.prefix}db",
    )
    assert not _journal(settings).exists()


def test_a_killed_backup_is_made_up_for_without_a_backup(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker)
    _kill(_paused_backup(settings))

    restarted = restart_journalled(settings)

    assert restarted == (f"{docker.prefix}db",)
    assert docker.status("db") == "running"
    assert restart_journalled(settings) == ()


def test_a_killed_backup_is_made_up_for_when_no_label_is_set_any_more(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker)
    _kill(_paused_backup(settings))

    _back_up(settings.model_copy(update={"stop_containers_label": ""}))

    assert docker.status("db") == "running"


@pytest.mark.parametrize(
    ("new_name", "labels"), [("db", {}), ("db", _COMPOSE), ("onyx-api-1", _COMPOSE)]
)
def test_a_container_made_anew_after_a_kill_is_found_though_its_id_changed(
    docker: DockerWorld, volumes: dict[str, Path], new_name: str, labels: dict[str, str]
) -> None:
    docker.create("db", labels={docker.label: "files"} | labels)
    settings = _settings(volumes, docker)
    _kill(_paused_backup(settings))
    docker.remove("db")
    docker.create(new_name, labels=labels, is_running=False)

    restart_journalled(settings)

    assert docker.status(new_name) == "running"


def test_a_stranger_with_the_same_name_is_left_alone(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"} | _COMPOSE)
    settings = _settings(volumes, docker)
    _kill(_paused_backup(settings))
    docker.remove("db")
    docker.create("db", labels={"com.docker.compose.project": "another"}, is_running=False)

    restart_journalled(settings)

    assert docker.status("db") == "created"


def test_a_container_removed_meanwhile_is_a_warning(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker)

    removals = [docker.remove]

    report = _back_up(settings, lambda _: removals and removals.pop()("db"))

    assert report.warnings == (
        f"container {docker.prefix}db was removed while it was stopped, and not started again",
    )
    assert not _journal(settings).exists()


def test_a_container_that_does_not_start_fails_the_component_after_the_others_run(
    docker: DockerWorld, troubled: Troubled, volumes: dict[str, Path]
) -> None:
    for name in ("a", "b", "c"):
        docker.create(name, labels={docker.label: "files"})
    troubled.trouble.refuse_start.add("b")
    settings = _settings(volumes, docker, troubled.host)

    with pytest.raises(SourceError, match=r"Not every container .*-b: .*permission denied"):
        _back_up(settings)

    assert [docker.status(name) for name in ("a", "b", "c")] == ["running", "exited", "running"]
    assert f'"name": "{docker.prefix}b"' in _journal(settings).read_text()
    troubled.trouble.refuse_start.clear()
    assert restart_journalled(settings) == (f"{docker.prefix}b",)
    assert docker.status("b") == "running"


def test_a_container_that_ends_at_once_counts_as_not_started(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    runs_once = ("sh", "-c", "rm /bin/cat && exec sleep 600")
    docker.create("db", labels={docker.label: "files"}, command=runs_once)

    with pytest.raises(SourceError, match="-db ended as soon as it was started"):
        _back_up(_settings(volumes, docker))


def test_a_container_that_does_not_stop_fails_the_component_and_the_others_run_again(
    docker: DockerWorld, troubled: Troubled, volumes: dict[str, Path]
) -> None:
    for name in ("a", "b", "c"):
        docker.create(name, labels={docker.label: "files"})
    troubled.trouble.refuse_stop.add("b")

    with pytest.raises(SourceError, match="permission denied"):
        _back_up(_settings(volumes, docker, troubled.host))

    assert [docker.status(name) for name in ("a", "b", "c")] == ["running"] * 3
    assert "stop c" not in troubled.trouble.calls


def test_a_container_that_somebody_else_stops_just_before_us_stays_stopped(
    docker: DockerWorld, troubled: Troubled, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})

    troubled.trouble.before_stop.append(lambda: docker.stop("db"))

    _back_up(_settings(volumes, docker, troubled.host))

    assert docker.status("db") == "exited"
    assert troubled.trouble.calls == ["stop db"]


@pytest.mark.parametrize(
    ("labels", "made", "reason"),
    [
        ({}, {"AutoRemove": True}, "--rm"),
        ({"com.docker.swarm.task.id": "t1"}, {}, "Swarm"),
        ({}, {"stop_timeout_s": -1}, "never killed"),
        ({}, {"stop_timeout_s": 86_400}, "longer than an hour"),
    ],
)
def test_a_container_that_could_not_come_back_or_may_never_stop_is_not_stopped(
    docker: DockerWorld,
    volumes: dict[str, Path],
    labels: dict[str, str],
    made: dict[str, Any],
    reason: str,
) -> None:
    docker.create("db", labels={docker.label: "files"} | labels, **made)

    with pytest.raises(SourceError, match=reason):
        _back_up(_settings(volumes, docker))

    assert docker.status("db") == "running"


def test_a_missing_volume_stops_no_container(
    docker: DockerWorld, troubled: Troubled, volumes: dict[str, Path], tmp_path: Path
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes | {"gone": tmp_path / "gone"}, docker, troubled.host)

    with pytest.raises(SourceError, match="Volume gone"):
        _back_up(settings)

    assert troubled.trouble.calls == []


def test_nobody_starts_what_a_backup_under_way_keeps_stopped(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    docker.create("db", labels={docker.label: "files"})
    settings = _settings(volumes, docker)
    process = _paused_backup(settings)

    with pytest.raises(AlreadyRunningError):
        restart_journalled(settings)
    with pytest.raises(AlreadyRunningError):
        _back_up(settings)

    assert docker.status("db") == "exited"
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://user:secret@127.0.0.1:1"])
def test_an_engine_that_does_not_answer_is_a_transient_failure(
    volumes: dict[str, Path], host: str
) -> None:
    settings = _settings_of(volumes, "a.label", host)

    with pytest.raises(SourceError, match="does not answer") as failure:
        _back_up(settings)

    assert failure.value.transient
    assert "ONYX_DOCKER_HOST" in failure.value.remedy
    assert "secret" not in str(failure.value)


def test_a_journal_that_cannot_be_understood_is_loud(
    docker: DockerWorld, volumes: dict[str, Path]
) -> None:
    settings = _settings(volumes, docker)
    _journal(settings).parent.mkdir(parents=True)
    _journal(settings).write_text('{"format_version": 1, "contain')

    with pytest.raises(SourceError, match="cannot be understood"):
        _back_up(settings)


@pytest.mark.parametrize("host", ["", "npipe:////./pipe/docker", "ssh://host", "unix://"])
def test_an_address_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="ONYX_DOCKER_HOST"):
        DockerEngine(host)


def _paused_backup(settings: Settings) -> subprocess.Popen[str]:
    """A backup in a process of its own that hangs in the middle of the volume `files`."""
    marker = settings.state_dir.parent / f"paused-{time.monotonic_ns()}"
    environment = os.environ | {
        "ONYX_VOLUMES": ",".join(f"{name}={path}" for name, path in settings.volume_paths.items()),
        "ONYX_STOP_CONTAINERS_LABEL": settings.stop_containers_label,
        "ONYX_DOCKER_HOST": settings.docker_host,
        "ONYX_STATE_DIR": str(settings.state_dir),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _HANG, marker],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: marker.exists() or process.poll() is not None, "the backup pauses")
    assert process.poll() is None, process.communicate()
    return process


_HANG = """
import sys, time
from pathlib import Path
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines_tests.recording_sink import RecordingSink

def hang(path):
    Path(sys.argv[1]).touch()
    time.sleep(60)

VolumesSource.from_settings(load_settings()).back_up(RecordingSink(hang), silent)
"""


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)
