"""Peak memory of our process at two sizes, each backup in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.peak_memory import peak_bytes
from bench.sealed import back_up, new_keys
from bench.table import Line, say
from bench.timing import emptied
from onyx_pipelines.sandbox.sample_volumes import make_file_tree
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.vault.stores import LocalStore

SIZES = ((2_000, 200_000_000), (20_000, 2_000_000_000))
LIMIT_MB = 250.0


def run(directory: Path) -> list[Line]:
    """Each in a process of its own, as `onyx backup run` is."""
    lines = []
    for files, size in SIZES:
        root = emptied(directory / "volume")
        say(f"memory at {size / 1e6:.0f} MB …")
        make_file_tree(root, file_count=files, total_bytes=size, seed=7)
        command = [sys.executable, "-m", "bench.memory", str(root), str(directory)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peak = float(output) / 1e6
        what = f"peak memory, volumes of {size / 1e6:.0f} MB"
        lines.append(Line(what, peak, LIMIT_MB, "MB", f"{files} files"))
    return lines


def main(root: Path, directory: Path) -> None:
    """Back up and print this process's peak in bytes."""
    store = LocalStore(emptied(directory / "store"), name="local")
    back_up(VolumesSource({"bench": root}), store, new_keys(directory))
    sys.stdout.write(str(peak_bytes()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
