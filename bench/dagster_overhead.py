"""What Dagster adds to the nightly job on tiny data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.table import Line, say
from bench.timing import medians
from onyx_pipelines.sandbox.stack import Sandbox


def run(directory: Path) -> list[Line]:
    """The same steps from our command line, and as a job; whole processes, start included."""
    sandbox = Sandbox(directory / "sandbox")
    say("a sandbox with tiny data …")
    try:
        sandbox.up(size=0.05)
        environment = {**os.environ, **sandbox.environment()}
        onyx = [str(Path(sys.executable).parent / "onyx"), "backup", "run"]
        job = [
            sys.executable, "-m", "dagster", "job", "execute",
            "--module-name", "onyx_pipelines.definitions", "--job", "nightly_backup",
        ]  # fmt: skip

        def launch(command: list[str]) -> None:
            subprocess.run(command, check=True, env=environment, capture_output=True)

        seconds = medians(
            {"onyx backup run": lambda: launch(onyx), "dagster job execute": lambda: launch(job)}
        )
    finally:
        sandbox.down()
    added = seconds["dagster job execute"] - seconds["onyx backup run"]
    detail = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return [Line("what Dagster adds to a tiny job", added, None, "s", detail)]
