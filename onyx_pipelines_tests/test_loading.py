"""What no process loads that does not need it. Which package may import which: pyproject.toml."""

from __future__ import annotations

import sys
from subprocess import run

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["definitions", "api.server", "cli.app"])
def test_what_only_load_tests_compute_with_is_not_loaded_by_every_process(module: str) -> None:
    """Two seconds of CPU in each process of Dagster, of the API and of the command line."""
    heavy = ("pandas", "scipy", "matplotlib", "numpy")
    code = f"""
import sys
import onyx_pipelines.{module}
print(*[name for name in {heavy!r} if name in sys.modules])
"""

    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
