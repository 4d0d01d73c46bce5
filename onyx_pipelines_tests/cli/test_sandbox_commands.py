"""`onyx sandbox`: its lines are for a shell, its status for a program."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.sandbox.stack import Sandbox

runner = CliRunner()


def test_a_shell_can_evaluate_what_env_prints(sandbox: Sandbox) -> None:
    lines = runner.invoke(app, ["sandbox", "env", "--state-dir", str(sandbox.state_dir)]).stdout

    done = subprocess.run(
        ["/bin/sh", "-c", f"{lines}\nenv -0"], capture_output=True, check=True, env={}
    )

    found = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if "=" in entry)
    assert {name: found[name] for name in sandbox.environment()} == sandbox.environment()


def test_status_of_a_running_sandbox_answers_zero(sandbox: Sandbox) -> None:
    answer = runner.invoke(
        app, ["sandbox", "status", "--json", "--state-dir", str(sandbox.state_dir)]
    )

    assert answer.exit_code == 0
    assert all(each["running"] for each in json.loads(answer.stdout) if not each["optional"])


def test_status_where_there_is_none_answers_one(tmp_path: Path) -> None:
    answer = runner.invoke(app, ["sandbox", "status", "--json", "--state-dir", str(tmp_path)])

    assert answer.exit_code == 1
    assert not any(each["running"] for each in json.loads(answer.stdout))


def test_env_where_there_is_none_says_how_to_start_one(tmp_path: Path) -> None:
    answer = runner.invoke(app, ["sandbox", "env", "--state-dir", str(tmp_path)])

    assert isinstance(answer.exception, NotFoundError)
    assert "onyx sandbox up" in answer.exception.remedy
