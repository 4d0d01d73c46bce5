"""A script of ours in a real Node, that answers each line of JSON with one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onyx_pipelines_tests.requirements_of_tests import program


class NodeLines:
    """One process for many questions."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, given: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def node_lines(script: str, *arguments: str | Path) -> Iterator[NodeLines]:
    """Killed at the end of the block. `script`: its name in this folder."""
    with subprocess.Popen(
        [program("node"), Path(__file__).with_name(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield NodeLines(process)
        finally:
            process.kill()
