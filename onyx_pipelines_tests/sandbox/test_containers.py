"""Where the sandbox's services may run as containers, and with what of the machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.host.background import started_ticks
from onyx_pipelines.sandbox.containers.services import LIMITS, Containers
from onyx_pipelines.sandbox.monitoring.control_groups import figures, path_of
from onyx_pipelines_tests.docker_engine import engine_host
from onyx_pipelines_tests.users import NOBODY
from onyx_pipelines_tests.waiting import wait_until


@pytest.mark.parametrize("host", ["", "unix:///nowhere/docker.sock", "tcp://elsewhere:2375"])
def test_without_an_engine_of_this_machine_there_are_none(host: str, tmp_path: Path) -> None:
    containers = Containers(tmp_path)

    with pytest.raises(NotFoundError, match="no Docker engine on this machine") as refused:
        containers.use(host)

    assert "ONYX_DOCKER_HOST" in refused.value.remedy
    assert containers.of("redis") is None


def test_a_service_can_write_to_nothing_of_the_machine_but_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is told nothing of whoever starts it; its limits are the kernel's."""
    monkeypatch.setenv("ONYX_OF_SOMEBODY_ELSE", "secret")
    log, state = tmp_path / "log", tmp_path / "state"
    state.mkdir()
    containers = Containers(tmp_path)
    containers.use(engine_host())
    redis = containers.of("redis")
    assert redis is not None
    tried = (
        f"touch /usr/x /etc/x {Path(__file__).with_name('x')} {state}/x; env; echo done; sleep 600"
    )

    try:
        pid = redis.start(["/bin/sh", "-c", tried], {}, log=log)
        wait_until(lambda: "done\n" in log.read_text(), "it has tried")
        found = figures(path_of(pid))
    finally:
        containers.remove()

    said = log.read_text()
    assert said.count("Read-only file system") == 3
    assert (state / "x").exists()
    assert "ONYX_OF_SOMEBODY_ELSE" not in said
    assert found.limit_bytes == LIMITS["redis"].memory_bytes
    assert found.quota_us == LIMITS["redis"].cores * found.period_us
    assert started_ticks(pid) is None


@pytest.fixture
def below_tmp() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_service_of_another_user_than_root_has_a_place_for_temporary_files(
    below_tmp: Path,
) -> None:
    """SeaweedFS has its sockets there; also where the sandbox itself is below /tmp."""
    log = below_tmp / "log"
    os.chown(below_tmp, NOBODY, NOBODY)
    containers = Containers(below_tmp)
    containers.use(engine_host())
    s3 = containers.of("s3")
    assert s3 is not None

    try:
        s3.start(
            ["/bin/sh", "-c", "touch /tmp/socket; echo done; sleep 600"],
            {},
            log=log,
            user=f"{NOBODY}:{NOBODY}",
        )
        wait_until(lambda: log.exists() and "done\n" in log.read_text(), "it has tried")
    finally:
        containers.remove()

    assert log.read_text() == "done\n"
