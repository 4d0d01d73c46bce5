"""The tap as a child process of the load test."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.host.processes import end_group
from onyx_pipelines.load_test.target import Target

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class RunningTap:
    """`origin`: where requests go instead of the target's."""

    origin: str
    pid: int

    def address_of(self, address: str) -> str:
        parts = urlsplit(address)
        return f"{self.origin}{parts.path}" + (f"?{parts.query}" if parts.query else "")


@contextmanager
def running_tap(target: Target) -> Iterator[RunningTap]:
    """Raises OnyxError: it did not start."""
    parts = urlsplit(target.url)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "onyx_pipelines.load_test.streaming.tap",
            f"{parts.scheme}://{parts.netloc}",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield RunningTap(f"http://127.0.0.1:{_port(process)}", process.pid)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT_S)
        end_group(process, signal.SIGKILL)
        if process.stdout is not None:
            process.stdout.close()


def _port(process: subprocess.Popen[bytes]) -> int:
    if process.stdout is not None and select.select([process.stdout], [], [], _START_TIMEOUT_S)[0]:
        line = process.stdout.readline().strip()
        if line.isdigit():
            return int(line)
    raise OnyxError(
        "The proxy that times streams did not start.",
        remedy="Its message is above; run the load test again.",
        transient=True,
    )
