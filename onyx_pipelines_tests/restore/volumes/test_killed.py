"""A restore that is killed at any of its steps loses nothing, and the next one cleans up."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines_tests.restore.killing import kills_of

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.mark.parametrize(
    "kind",
    ["exchange", "renames", "contents", "paths", "exchange-kept", "renames-kept", "contents-kept"],
)
def test_a_kill_at_any_step_leaves_old_or_new_and_the_next_run_completes(
    tmp_path: Path, kind: str
) -> None:
    assert kills_of("volumes.kill_every_step", tmp_path, kind) > 30
