"""The whole drill of the sandbox's set, and what its scratch targets cost."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from bench.table import Line, say
from onyx_pipelines.backup.whole_backup import run_backup
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.drill import run_drill
from onyx_pipelines.restore.results import Step
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.vault.manifest import BackupType


def run(directory: Path) -> list[Line]:
    """The data of `make demo`, from S3."""
    sandbox = Sandbox(directory / "sandbox")
    say("the sandbox of the demo …")
    try:
        sandbox.up()
        os.environ.update(sandbox.environment())
        settings = load_settings()
        run_backup(settings, backup_type=BackupType.DAILY, components=None, progress=silent)
        result = run_drill(
            settings,
            backup_id="latest",
            store_name="offsite",
            components=None,
            drill_id=str(uuid.uuid4()),
            progress=silent,
        )
    finally:
        sandbox.down()
    if result.verdict is not Verdict.PASSED:
        raise SystemExit(f"the drill did not pass: {result.components}")
    scratch = sum(
        timing.duration_s
        for component in result.components
        for timing in component.steps
        if timing.step in {Step.PREPARE, Step.CLEAN_UP}
    )
    whole = (result.finished_at - result.started_at).total_seconds()
    detail = ", ".join(
        f"{each.component.value} {sum(t.duration_s for t in each.steps):.1f} s"
        for each in result.components
    )
    return [
        Line("drill of the sandbox's set", whole, 30.0, "s", detail),
        Line("of it for scratch targets", scratch, 6.0, "s", "made and removed"),
    ]
