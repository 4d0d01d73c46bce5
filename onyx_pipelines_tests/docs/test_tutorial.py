"""docs/tutorial.md is executed: its commands lose files, bring them back and find damage."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")


@pytest.fixture
def as_after_the_demo(volume_host: HostUnderTest) -> HostUnderTest:
    """A host with a backup in two stores, and with the names that the sandbox has."""
    files = volume_host.root / "volumes" / "onyx_file_store"
    (files / "03").mkdir(parents=True)
    (files / "03" / "a letter.txt").write_text("Dear reader", encoding="utf-8")
    volume_host.set(VOLUMES=f"onyx_file_store={files}")
    volume_host.run()
    onyx = volume_host.root / "bin" / "onyx"
    onyx.parent.mkdir()
    onyx.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "from onyx_pipelines.cli import main; main()" "$@"\n',
        encoding="utf-8",
    )
    onyx.chmod(0o755)
    return volume_host


@pytest.mark.slow
@pytest.mark.thorough
def test_its_commands_do_what_it_says(as_after_the_demo: HostUnderTest) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    root = as_after_the_demo.root
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)],
        env=os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr + done.stdout
    letter = root / "volumes" / "onyx_file_store" / "03" / "a letter.txt"
    assert letter.read_text(encoding="utf-8") == "Dear reader"
    assert done.stdout.count("PASSED") == 3
    assert "exit code 1" in done.stdout
    assert "from the offsite store" in done.stdout
