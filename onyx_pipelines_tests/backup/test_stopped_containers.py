"""Containers that a killed backup left stopped are started without waiting for the next backup."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.backup import automation
from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.sources.volumes.journal import Journal, StoppedContainer
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


def tick(state_dir: Path, docker_host: str) -> dg.SkipReason:
    onyx = OnyxSettings(overrides={"state_dir": str(state_dir), "docker_host": docker_host})
    with dg.build_sensor_context(resources={"onyx": onyx}) as context:
        answer = automation.stopped_containers(context)
    assert isinstance(answer, dg.SkipReason)
    return answer


def leave_stopped(docker: DockerWorld, state_dir: Path) -> None:
    """As a backup does that is killed after it stopped the container db."""
    docker.create("db", is_running=False)
    found = docker.inspect("db")
    entry = StoppedContainer(
        id=found["Id"],
        name=found["Name"].removeprefix("/"),
        compose={},
        stopped_at="2026-03-01T02:00:05+00:00",
    )
    (state_dir / "journal").mkdir()
    Journal(state_dir).write([entry])


def test_with_nothing_left_stopped_no_engine_is_asked(tmp_path: Path) -> None:
    answer = tick(tmp_path, f"unix://{tmp_path}/no-engine.sock")

    assert "No container was left stopped" in str(answer.skip_message)


def test_a_container_that_a_killed_backup_left_stopped_is_started(
    docker: DockerWorld, tmp_path: Path
) -> None:
    leave_stopped(docker, tmp_path)

    answer = tick(tmp_path, docker.host)

    assert docker.status("db") == "running"
    assert f"Started {docker.prefix}db" in str(answer.skip_message)


def test_an_engine_that_does_not_answer_is_a_failed_tick(
    docker: DockerWorld, tmp_path: Path
) -> None:
    leave_stopped(docker, tmp_path)

    with pytest.raises(SourceError):
        tick(tmp_path, f"unix://{tmp_path}/no-engine.sock")


def test_the_command_says_that_there_was_nothing_to_do(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("backup", "start-containers")

    assert answer.status == 0
    assert "No container was left stopped" in answer.output
