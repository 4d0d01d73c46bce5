"""A restore that is killed at any of its steps loses nothing, and the next one cleans up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onyx_pipelines.sandbox.postgres_server import PostgresServer

pytestmark = pytest.mark.slow


def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_run_completes(
    tmp_path: Path, postgres_server: PostgresServer, public_dir: Path
) -> None:
    program = "onyx_pipelines_tests.restore.postgres.kill_every_step"

    done = subprocess.run(
        [sys.executable, "-m", program, tmp_path, public_dir / "server"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 12
