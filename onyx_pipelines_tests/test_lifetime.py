"""What the tests start and write ends with them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onyx_pipelines_tests.docker_engine import engine_host
from onyx_pipelines_tests.lifetime import processes_of
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

PYTEST = (
    *(sys.executable, "-m", "pytest"),
    *("-p", "no:cacheprovider", "-p", "no:schemathesis"),
)
SESSION = """
from onyx_pipelines_tests.lifetime import begin_session as pytest_configure
from onyx_pipelines_tests.lifetime import end_session as pytest_unconfigure
"""
SUITE = """
from onyx_pipelines_tests.conftest import pytest_configure, pytest_unconfigure
"""
ENGINE = """
import pytest
from onyx_pipelines_tests.conftest import pytest_configure, pytest_unconfigure

@pytest.fixture
def container(docker):
    docker.create("left", command=("sleep", "601"))
"""
# Starts a group of its own, with a child; says so, and waits.
TEST = """
import os, subprocess, time
from pathlib import Path

def test_that_waits({fixtures}):
    with subprocess.Popen(["sh", "-c", {command!r}], start_new_session=True):
        told = Path({told!r}) / os.environ["PYTEST_XDIST_WORKER"]
        told.write_text(f"{{os.getpid()}} {{os.environ['TMPDIR']}}")
        time.sleep(600)
"""
DAEMON = "sleep 600; true"
STUBBORN = "trap '' TERM INT HUP; sleep 600; true"


class Running:
    """A pytest of two workers, each in the midst of a test."""

    def __init__(self, process: subprocess.Popen[bytes], told: Path) -> None:
        self.process = process
        self._told = told
        wait_until(
            lambda: len(list(told.iterdir())) == 2 or process.poll() is not None, "both wait"
        )
        assert process.poll() is None
        words = [path.read_text().split() for path in sorted(told.iterdir())]
        self.worker_pids = [int(pid) for pid, _ in words]
        self.directory = Path(words[0][1]).parent

    def nothing_is_left(self) -> bool:
        return not processes_of(self.directory) and not self.directory.exists()


@contextmanager
def running_pytest(
    folder: Path, conftest: str = SESSION, fixtures: str = "", command: str = DAEMON
) -> Iterator[Running]:
    told = folder / "told"
    told.mkdir()
    (folder / "conftest.py").write_text(conftest)
    for name in ("test_one.py", "test_other.py"):
        (folder / name).write_text(TEST.format(fixtures=fixtures, command=command, told=str(told)))
    with subprocess.Popen(
        [*PYTEST, "-n", "2", "--dist", "loadfile", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield Running(process, told)
        finally:
            process.kill()


def run_another(folder: Path) -> None:
    subprocess.run([*PYTEST, "--collect-only", folder], stdout=subprocess.DEVNULL, check=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own, whose names are the outer session's."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_the_end_of_pytest(folder: Path, number: signal.Signals) -> None:
    with running_pytest(folder) as run:
        wait_until(lambda: len(processes_of(run.directory)) >= 6, "each has its daemon and child")

        run.process.send_signal(number)

        wait_until(run.nothing_is_left, "nothing is left")


def test_nothing_survives_ctrl_c(folder: Path) -> None:
    with running_pytest(folder) as run:
        os.killpg(run.process.pid, signal.SIGINT)

        wait_until(run.nothing_is_left, "nothing is left")


def test_no_server_of_the_sandbox_survives_the_death_of_pytest(folder: Path) -> None:
    with running_pytest(folder, SUITE, "sandbox") as run:
        commands = " ".join(processes_of(run.directory).values())
        for server in ("postgres", "weed", "qdrant_standin", "sandbox.app", "sandbox.llm"):
            assert commands.count(f"{server} ") == 1

        run.process.kill()

        wait_until(run.nothing_is_left, "nothing is left")


def test_no_container_survives_the_death_of_pytest(folder: Path) -> None:
    engine_host()  # skips where there can be none
    with running_pytest(folder, ENGINE, "container") as run:

        def commands() -> list[str]:
            return list(processes_of(run.directory).values())

        wait_until(lambda: commands().count("sleep 601") == 2, "both containers run")
        assert len([each for each in commands() if "dockerd --host" in each]) == 1

        run.process.kill()

        wait_until(run.nothing_is_left, "nothing is left")
    assert str(run.directory) not in Path("/proc/self/mountinfo").read_text()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{run.directory.name}"))


def test_what_a_killed_worker_started_ends_with_the_session(folder: Path) -> None:
    with running_pytest(folder, command=STUBBORN) as run:
        for pid in run.worker_pids:
            os.kill(pid, signal.SIGKILL)
        # Others take their places, and their tests.
        run.process.send_signal(signal.SIGINT)

        wait_until(run.nothing_is_left, "nothing is left")


def test_a_session_ends_what_a_killed_guard_left_and_nothing_else(folder: Path) -> None:
    with running_pytest(folder) as run:
        before = processes_of(run.directory)

        run_another(folder)
        assert before.keys() <= processes_of(run.directory).keys()

        [guard] = children_of(run.process.pid) - before.keys()
        os.kill(guard, signal.SIGKILL)
        run.process.kill()
        assert not run.nothing_is_left()

        run_another(folder)
        assert run.nothing_is_left()


def children_of(pid: int) -> set[int]:
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
