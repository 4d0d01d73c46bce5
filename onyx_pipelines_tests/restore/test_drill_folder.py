"""What the steps of a drill leave for each other goes with its report, or with a later drill."""

from __future__ import annotations

import os
import time
from pathlib import Path

from onyx_pipelines.restore.drill_folder import DrillFolder

_DAY_S = 24 * 3600


def test_every_step_of_a_drill_is_told_the_same_beginning(tmp_path: Path) -> None:
    began = DrillFolder(tmp_path, "a").start()

    assert DrillFolder(tmp_path, "a").start() == began


def test_what_killed_drills_left_goes_after_a_week(tmp_path: Path) -> None:
    for name, days in (("old", 8), ("recent", 6)):
        DrillFolder(tmp_path, name).start()
        then = time.time() - days * _DAY_S
        os.utime(tmp_path / "drills" / name, (then, then))

    DrillFolder(tmp_path, "new").start()

    assert {path.name for path in (tmp_path / "drills").iterdir()} == {"recent", "new"}
