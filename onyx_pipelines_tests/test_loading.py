"""What no process loads that does not need it. Which package may import which: pyproject.toml."""

from __future__ import annotations

import sys
from subprocess import run

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["definitions", "api.server", "cli.app"])
def test_what_only_some_work_needs_is_not_loaded_by_every_process(module: str) -> None:
    """What load tests compute with, and clients of databases and stores: three seconds of CPU in
    each process of Dagster, of the API and of the command line."""
    heavy = (
        *("pandas", "scipy", "matplotlib", "numpy"),
        *("boto3", "psycopg", "qdrant_client", "qdrant_edge"),
    )
    code = f"""
import sys
import onyx_pipelines.{module}
print(*[name for name in {heavy!r} if name in sys.modules])
"""

    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
