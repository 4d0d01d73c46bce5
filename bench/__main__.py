"""`python -m bench [part …]`: measures the parts and prints one table."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import (
    analysis,
    api,
    dagster_overhead,
    drill,
    error_spool,
    injected,
    memory,
    monitoring,
    postgres,
    qdrant,
    restore,
    retention,
    scrubbing,
    suna_errors,
    volumes,
)
from bench.table import Line, say, show

PARTS: dict[str, Callable[[Path], list[Line]]] = {
    "postgres": postgres.run,
    "volumes": volumes.run,
    "qdrant": qdrant.run,
    "memory": memory.run,
    "retention": retention.run,
    "api": api.run,
    "restore": restore.run,
    "drill": drill.run,
    "analysis": analysis.run,
    "injected": injected.run,
    "monitoring": monitoring.run,
    "scrubbing": scrubbing.run,
    "error_spool": error_spool.run,
    "dagster": dagster_overhead.run,
    "suna": suna_errors.run,
}


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--directory", type=Path, default=None, help="where there are 10 GB free")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    say(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; others' work spoils the figures")
    lines: list[Line] = []
    for name in arguments.parts or PARTS:
        directory = Path(tempfile.mkdtemp(prefix="onyx-bench-", dir=arguments.directory))
        # PostgreSQL runs as another user when we are root.
        directory.chmod(0o755)
        say(f"{name} …")
        try:
            lines += PARTS[name](directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    show(lines)
    return 1 if any(line.verdict == "MISSED" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
