"""A restore that is killed at any of its steps loses nothing, and the next one cleans up."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.restore.killing import kills_of

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_run_completes(
    tmp_path: Path, postgres_server: PostgresServer, public_dir: Path
) -> None:
    assert kills_of("postgres.kill_every_step", tmp_path, public_dir / "server") >= 12
