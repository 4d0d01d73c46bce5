"""Times things in turns, so that a noisy minute hits all of them."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.table import say


def medians(runs: Mapping[str, Callable[[], object]], *, rounds: int = 3) -> dict[str, float]:
    """Median seconds of each, run one after the other, `rounds` times over.

    A run that prepares something first returns the seconds that count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begun = time.monotonic()
            counted = run()
            whole = time.monotonic() - begun
            seconds[name].append(counted if isinstance(counted, float) else whole)
            say(f"  {name}: {seconds[name][-1]:.2f} s")
    return {name: statistics.median(values) for name, values in seconds.items()}


def quiet_disk() -> float:
    """Write out what an earlier run left in memory; gives the time to count from."""
    os.sync()
    return time.monotonic()


def shell(command: str, environment: Mapping[str, str] | None = None) -> None:
    """A pipeline as a person would type it; fails if any part of it does.

    Python keeps what it has compiled, as what was installed has it: the first round compiles.
    """
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def need(*programs: str) -> None:
    """Raises SystemExit naming what a peer needs and is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"install the peers first: apt-get install {' '.join(missing)}")


def emptied(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
