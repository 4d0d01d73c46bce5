"""A Node process with the front end's error tracking and a real SDK."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from onyx_pipelines_tests.lifetime import one_at_a_time, session_directory
from onyx_pipelines_tests.requirements_of_tests import program

SUNA: Final = Path(__file__).parents[2] / "deploy" / "suna"


def installed_module() -> Path:
    """With what it is developed with, by its lock; once a session."""
    folder = session_directory() / "suna-errors"
    with one_at_a_time("suna-errors"):
        if not (folder / "node_modules").exists():
            shutil.copytree(SUNA, folder, ignore=shutil.ignore_patterns("node_modules"))
            command = [*(program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund")]
            subprocess.run(
                [*command, "--prefer-offline"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=240,
            )
    return folder


class NodeService:
    """Does as it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def tell(self, command: str, **given: Any) -> None:
        """Do not wait for it."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self.process.stdin.flush()

    def said(self) -> dict[str, Any]:
        """The next line; {}: it has ended."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def capture(self, message: str = "planted", **given: Any) -> str:
        """Gives the event's id once it is kept."""
        self.tell("capture", message=message, **given)
        return str(self.said()["kept"])

    def flush(self, ms: int = 10_000) -> bool:
        """Whether all was delivered."""
        self.tell("flush", ms=ms)
        while "flushed" not in (said := self.said()):
            assert said
        return bool(said["flushed"])


@contextmanager
def node_service(module: Path, dsn: str, spool: Path, **options: Any) -> Iterator[NodeService]:
    """Killed at the end of the block."""
    given = {"dsn": dsn, "service": "suna", "version": "1.4.2", "spoolFolder": str(spool)}
    script = Path(__file__).with_name("tracked_service.mjs")
    with subprocess.Popen(
        [program("node"), script, module, json.dumps({**given, **options})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield NodeService(process)
        finally:
            process.kill()
