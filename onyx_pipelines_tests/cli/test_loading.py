"""A command loads what it needs and no more: each is a process, and people wait for it."""

from __future__ import annotations

import json
import subprocess

from onyx_pipelines_tests.fixtures_sandbox import COMMAND

# Each takes between a tenth of a second and two.
HEAVY = {
    *("boto3", "dagster", "fastapi", "httpx", "matplotlib"),
    *("numpy", "pandas", "psycopg", "qdrant_client", "scipy"),
}

SCRIPT = """
import json, sys
from onyx_pipelines.cli.app import command

def loaded(*names):
    for name in names:
        assert commands[name]
    return sorted(sys.modules)

commands = command().commands
json.dump([loaded("sandbox"), loaded(*commands)], sys.stdout)
"""


def test_a_command_is_loaded_without_the_others_and_without_what_only_some_work_needs() -> None:
    done = subprocess.run(
        [COMMAND[0], "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )

    one, every = (set(modules) for modules in json.loads(done.stdout))
    ours = {name for name in one if name.startswith("onyx_pipelines.cli.")}
    assert ours == {f"onyx_pipelines.cli.{name}" for name in ("app", "sandbox")}
    assert not every & HEAVY
