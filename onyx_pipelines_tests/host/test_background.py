"""A process in the background outlives its starter, is found again, and ends with its children."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.host.background import BackgroundProcess, started_ticks, tail_of
from onyx_pipelines_tests.waiting import wait_until

_DEAF = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 60; done"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[BackgroundProcess]:
    process = BackgroundProcess(tmp_path / "state", "deaf", stop_grace_s=0.2)
    process.spawn(_DEAF, {})
    wait_until(lambda: process.log_tail() == "ready", "it has begun")
    yield process
    process.kill()


def test_another_object_finds_it_and_stops_it(process: BackgroundProcess) -> None:
    other = BackgroundProcess(process.state_dir, "deaf", stop_grace_s=0.2)
    pid = process.pid

    other.stop()

    assert pid is not None
    assert (other.pid, process.pid, process.is_alive) == (None, None, False)
    assert not process.pid_path.exists()


def test_one_that_another_object_has_started_anew_is_the_one_that_is_stopped(
    process: BackgroundProcess,
) -> None:
    other = BackgroundProcess(process.state_dir, "deaf", stop_grace_s=0.2)
    other.stop()
    other.spawn(_DEAF, {})

    process.stop()

    assert not other.is_alive


def test_its_children_end_with_it(tmp_path: Path) -> None:
    process = BackgroundProcess(tmp_path, "parent")
    process.spawn(["sh", "-c", "sleep 60 & echo $!; wait"], {})
    wait_until(lambda: process.log_tail().isdigit(), "it has a child")
    child = int(process.log_tail())

    process.stop()

    wait_until(lambda: started_ticks(child) is None, "its child ended")


def test_another_process_with_its_number_is_left_alone(tmp_path: Path) -> None:
    process = BackgroundProcess(tmp_path, "gone")
    process.pid_path.write_text(f"{os.getpid()} 1", encoding="ascii")

    process.stop()

    assert process.pid is None


@pytest.mark.parametrize("text", ["", "12", "a b", "1 2 3"])
def test_a_damaged_pid_file_names_no_process(tmp_path: Path, text: str) -> None:
    process = BackgroundProcess(tmp_path, "damaged")
    process.pid_path.write_text(text, encoding="ascii")

    assert process.pid is None


def test_what_ended_by_itself_is_not_alive_and_its_log_says_why(tmp_path: Path) -> None:
    process = BackgroundProcess(tmp_path, "short")
    process.spawn([sys.executable, "-c", "import os; print(os.environ['WHY'])"], {"WHY": "done"})

    wait_until(lambda: not process.is_alive, "it ended")

    assert process.log_tail() == "done"
    assert process.pid is None
    process.stop()


def test_a_log_that_is_not_there_has_no_tail(tmp_path: Path) -> None:
    assert tail_of(tmp_path / "none.log", 3) == ""
