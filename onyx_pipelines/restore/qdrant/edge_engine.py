"""The process that runs the Edge engine: started at first use, asked, started again if it dies."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Final, Self, cast

from pydantic import ValidationError

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.host.processes import end_group
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer, EdgeFailure, EdgeRequest
from onyx_pipelines.sources.qdrant.snapshot_archive import UnknownFormError

_MODULE: Final = "onyx_pipelines.restore.qdrant.edge_process"
_CHUNK: Final = 1 << 20
_SHOWN_BYTES: Final = 500


class EdgeEngine:
    """One process for all collections of a drill: starting it takes longer than most answers.

    Args:
        timeout_s: how long one answer may take.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self._complaints is not None:
            self._complaints.close()

    def ask(self, request: EdgeRequest) -> EdgeAnswer:
        """`begin`, and the `answer`."""
        self.begin(request)
        return self.answer()

    def begin(self, request: EdgeRequest) -> None:
        """Let the engine look; only one request at a time, whose answer must be taken.

        Raises:
            RestoreError: the engine is not installed.
        """
        process = self._running()
        # One that died answers nothing, which is told then.
        with suppress(BrokenPipeError):
            _input(process).write(request.model_dump_json().encode() + b"\n")
            _input(process).flush()

    def answer(self) -> EdgeAnswer:
        """What the engine finds in the shards that it was asked about.

        Raises:
            RestoreError: it took longer than `timeout_s`.
            UnknownFormError: it refused the shards, or died of them.
        """
        try:
            line = _read_line(self._running(), self._timeout_s)
        except BaseException:
            # An answer that comes later would be taken for the next one's.
            self._end()
            raise
        try:
            return EdgeAnswer.model_validate_json(line)
        except ValidationError:
            raise UnknownFormError(
                f"Qdrant's Edge engine cannot open the snapshot: {self._problem(line)}.",
                remedy="Restore another set, or name a Qdrant server for drills.",
            ) from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = self._started()
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        if importlib.util.find_spec("qdrant_edge") is None:
            raise RestoreError(
                "Qdrant's Edge engine is not installed.", remedy="pip install qdrant-edge-py."
            )
        if self._complaints is not None:
            self._complaints.close()
        # A file: nobody would empty a pipe while the engine works.
        self._complaints = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115  (lives as long)
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,
        )

    def _problem(self, line: bytes) -> str:
        with suppress(ValidationError):
            return EdgeFailure.model_validate_json(line).problem.rstrip(".")
        self._end()
        return "it died" + self._last_words()

    def _last_words(self) -> str:
        if self._complaints is None:
            return ""
        self._complaints.seek(0)
        said = " ".join(self._complaints.read().decode("utf-8", "replace").split())
        return f" ({said[-_SHOWN_BYTES:]})" if said else ""

    def _end(self) -> None:
        if self._process is None:
            return
        end_group(self._process, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                cast("IO[bytes]", stream).close()
        self._process = None


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdin)


def _read_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """What came until the line's end, or until the process ended."""
    descriptor = cast("IO[bytes]", process.stdout).fileno()
    deadline = time.monotonic() + timeout_s
    line = bytearray()
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise RestoreError(
                f"Qdrant's Edge engine was not done after {limit_text(timeout_s)}.",
                remedy="See whether this host has enough memory for the collection.",
            )
        data = os.read(descriptor, _CHUNK)
        if not data:
            break
        line += data
    return bytes(line)
