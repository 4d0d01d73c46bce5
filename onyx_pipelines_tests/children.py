"""A Python program as a child process: what it says when it is ready, and its end by kill -9."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Child:
    """A program that prints a line when it is where a test wants it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next that it says; "" when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def tell(self, text: str) -> None:
        """A line for its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """And wait until it is gone."""
        self._process.kill()
        self._process.wait()


@contextmanager
def child(
    program: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run a program beside the block, at the longest as long as the block. `environment`: besides
    ours."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()
