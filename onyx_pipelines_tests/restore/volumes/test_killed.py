"""A restore that is killed at any of its steps loses nothing, and the next one cleans up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "kind",
    ["exchange", "renames", "contents", "paths", "exchange-kept", "renames-kept", "contents-kept"],
)
def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_run_completes(
    tmp_path: Path, kind: str
) -> None:
    program = "onyx_pipelines_tests.restore.volumes.kill_every_step"

    done = subprocess.run(
        [sys.executable, "-m", program, tmp_path, kind], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 30
