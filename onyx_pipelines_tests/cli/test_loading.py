"""A command loads what it needs and no more: each is a process, and people wait for it."""

from __future__ import annotations

import json
import subprocess

from onyx_pipelines_tests.fixtures_sandbox import COMMAND

# Each takes between a tenth of a second and two.
HEAVY = {
    *("boto3", "dagster", "fastapi", "grpc", "httpx", "jinja2", "matplotlib"),
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
one, every = loaded("sandbox"), loaded(*commands)
from onyx_pipelines.restore.qdrant import restoring
json.dump([one, every, sorted(sys.modules)], sys.stdout)
"""

WHOLE = """
import json, os, sys

def end(code):
    import httpx
    import pydantic.plugin._loader as loader
    loaded = sorted(name for name, module in sys.modules.items() if module)
    print("\\n" + json.dumps([loaded, loader._plugins]), flush=True)
    really_end(code)

really_end, os._exit = os._exit, end
from onyx_pipelines.cli import main
sys.argv = ["onyx", "config", "show"]
main()
"""


def test_httpx_comes_without_http_2_and_pydantic_without_a_search_for_plugins() -> None:
    done = subprocess.run(
        [COMMAND[0], "-c", WHOLE], capture_output=True, text=True, timeout=60, check=False
    )

    loaded, plugins = json.loads(done.stdout.splitlines()[-1])
    assert {"httpx", "pydantic", "onyx_pipelines.core.settings.whole"} <= set(loaded)
    assert not {"h2", "hpack", "httpx._main"} & set(loaded)
    assert plugins is None


def test_a_command_is_loaded_without_the_others_and_without_what_only_some_work_needs() -> None:
    done = subprocess.run(
        [COMMAND[0], "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )

    one, every, of_qdrant = (set(modules) for modules in json.loads(done.stdout))
    ours = {name for name in one if name.startswith("onyx_pipelines.cli.")}
    assert ours == {f"onyx_pipelines.cli.{name}" for name in ("app", "sandbox")}
    assert not every & HEAVY
    # What a restore of Qdrant works with speaks HTTP, and has no client of Qdrant's or of others.
    assert of_qdrant & HEAVY == {"httpx"}
