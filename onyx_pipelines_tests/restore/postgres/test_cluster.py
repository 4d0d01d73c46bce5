"""A scratch cluster is thrown away whole, also one whose drill was killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.host.scratch import sweep_workdirs
from onyx_pipelines.restore.postgres.cluster import PROGRAMS, ScratchCluster, stop_abandoned
from onyx_pipelines.sources.postgres.binaries import find_binaries

PREFIX = "onyx-scratch-test-"
KILLED_DRILL = f"""
import os, signal, sys
from pathlib import Path
from onyx_pipelines.restore.postgres.cluster import PROGRAMS, ScratchCluster
from onyx_pipelines.host.scratch import private_workdir
from onyx_pipelines.sources.postgres.binaries import find_binaries
with private_workdir(Path(sys.argv[1]), prefix={PREFIX!r}) as scratch:
    ScratchCluster(scratch, find_binaries(0, programs=PROGRAMS)).start()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory that PostgreSQL's own user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="onyx-cluster-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def servers_below(directory: Path) -> list[str]:
    """Command lines of the processes whose data lies there."""
    commands = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except OSError:
            continue
        if os.fsencode(directory) in command and b"postgres" in command:
            commands.append(command.decode(errors="replace"))
    return commands


def test_nothing_of_a_cluster_is_left_after_it_was_removed(scratch: Path) -> None:
    cluster = ScratchCluster(scratch, find_binaries(0, programs=PROGRAMS))
    cluster.start()
    with cluster.target.connect("postgres") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    cluster.remove()

    assert servers_below(scratch) == []
    assert list(scratch.iterdir()) == []


def test_the_server_of_a_killed_drill_is_stopped_by_the_next_one(scratch: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_DRILL, str(scratch)], check=False)
    assert servers_below(scratch)

    sweep_workdirs(scratch, prefix=PREFIX, before_removal=stop_abandoned)

    assert servers_below(scratch) == []
    assert list(scratch.iterdir()) == []


def test_a_process_that_only_has_the_same_number_is_left_alone(scratch: Path) -> None:
    (scratch / "cluster").mkdir()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (scratch / "cluster" / "postmaster.pid").write_text(f"{stranger.pid}\n", encoding="ascii")

        stop_abandoned(scratch)

        assert stranger.poll() is None
        stranger.kill()
