"""docs/restore.md is executed: its commands bring a lost sandbox back, in its order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.sandbox.application_data import differences
from onyx_pipelines.sandbox.rehearsal import Loss, data_of, lose_everything
from onyx_pipelines.sandbox.stack import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "restore.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "deploy" / "restore.env.example"


def commands(heading: str) -> list[str]:
    """The blocks of a section that are to be executed."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section, re.M | re.S)
    return [re.sub(r"^   ", "", block, flags=re.M) for block in blocks]


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="onyx-restore-page-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def sandbox(directory: Path) -> Iterator[Sandbox]:
    stack = Sandbox(directory / "sandbox")
    yield stack
    stack.down()


@pytest.fixture(scope="module")
def loss(sandbox: Sandbox, directory: Path) -> Loss:
    return lose_everything(sandbox, directory / "elsewhere", size=0.05, say=lambda _: None)


def run(
    script: str, directory: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """As a person types it, stopping at the first command that fails."""
    work = directory / "work"
    work.mkdir(exist_ok=True)
    lines = [f"{name}={value}" for name, value in environment.items()]
    lines += [
        f"ONYX_RECIPIENTS_FILE={work / 'keys' / 'recipients.json'}",
        f"ONYX_REPORTS_DIR={work / 'reports'}",
    ]
    (work / "restore.env").write_text("\n".join(lines), encoding="utf-8")
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    onyx = programs / "onyx"
    onyx.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "from onyx_pipelines.cli import main; main()" "$@"\n'
    )
    onyx.chmod(0o755)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ONYX_", "DAGSTER_"))
    }
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=work,
        env={**inherited, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_procedure_for_a_lost_machine_brings_all_of_it_back(
    sandbox: Sandbox, loss: Loss, directory: Path
) -> None:
    done = run("\n".join(commands("The whole machine")), directory, loss.environment)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("PASSED") == 2  # the restore's, and the drill's at the end
    assert "REPLACED" not in done.stdout
    assert differences(loss.data, data_of(sandbox)) == []


def test_the_commands_for_a_part_do_what_the_page_says(
    sandbox: Sandbox, loss: Loss, directory: Path
) -> None:
    plans, beside = commands("A part")
    settings = "set -a; . ./restore.env; set +a\n"

    planned = run(settings + plans, directory, loss.environment)
    restored = run(settings + beside, directory, loss.environment)

    assert planned.returncode == 0, planned.stderr[-3000:]
    assert planned.stdout.count("Nothing was changed") == plans.count("onyx restore")
    assert restored.returncode == 0, restored.stdout[-3000:] + restored.stderr[-3000:]
    assert restored.stdout.count("PASSED") == 3
    with sandbox.postgres.connect("onyx_as_it_was") as connection:
        assert connection.execute("SELECT count(*) > 0 FROM app.messages").fetchone() == (True,)
    assert (directory / "work" / "as-it-was").is_dir()
    lost = [each for each in differences(loss.data, data_of(sandbox)) if "added" not in each]
    assert lost == []


def test_the_example_names_settings_that_exist() -> None:
    names = re.findall(r"^#?ONYX_(\w+)=", EXAMPLE.read_text(encoding="utf-8"), re.M)

    known = {name.upper() for name in Settings.model_fields}
    assert [n for n in names if n not in known and n.removesuffix("_FILE") not in known] == []
