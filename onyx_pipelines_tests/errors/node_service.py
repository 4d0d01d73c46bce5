"""A Node process with the front end's error tracking and a real SDK."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from onyx_pipelines.sandbox.suna.module import SOURCE, make_module
from onyx_pipelines_tests.lifetime import one_at_a_time, session_directory
from onyx_pipelines_tests.requirements_of_tests import program

_SAYS_WITHIN_S: Final = 10.0


def installed_module() -> Path:
    """With what it is developed with, by its lock; once a session."""
    program("npm")
    folder = session_directory() / "suna-errors"
    with one_at_a_time("suna-errors"):
        make_module(folder)
    return folder


class NodeService:
    """Does as it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._captured = 0
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("{}")

    def tell(self, command: str, **given: Any) -> None:
        """Do not wait for it."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self.process.stdin.flush()

    def said(self) -> dict[str, Any]:
        """The next line; {}: it has ended. Raises Empty: it says nothing."""
        found: dict[str, Any] = json.loads(self._lines.get(timeout=_SAYS_WITHIN_S))
        return found

    def capture(self, message: str = "", **given: Any) -> str:
        """Gives the event's id once it is kept."""
        self._captured += 1
        self.tell("capture", message=message or f"planted {self._captured}", **given)
        return str(self.said()["kept"])

    def flush(self, ms: int = 10_000) -> bool:
        """Whether all was delivered."""
        self.tell("flush", ms=ms)
        while "flushed" not in (said := self.said()):
            assert said
        return bool(said["flushed"])


@contextmanager
def node_service(
    dsn: str, spool: Path, *, module: Path | None = None, folder: Path = SOURCE, **options: Any
) -> Iterator[NodeService]:
    """Killed at the end of the block.

    Args:
        module: installed, so that there is an SDK; None: events are handed over as one does.
        folder: of the module's files, without an SDK.
    """
    given = {"dsn": dsn, "service": "suna", "version": "1.4.2", "spoolFolder": str(spool)}
    script = Path(__file__).with_name("tracked_service.mjs")
    with subprocess.Popen(
        [
            *(program("node"), script, module or folder, json.dumps({**given, **options})),
            *(["sdk"] if module else []),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield NodeService(process)
        finally:
            process.kill()
