"""A server of the sandbox as a process of its own, found again by the file with its process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from onyx_pipelines.certificates import usual_certificates
from onyx_pipelines.errors import OnyxError

HOST: Final = "127.0.0.1"
_STOP_TIMEOUT_S: Final = 15.0


class ServiceProcess:
    """One process in `state_dir`, which holds `<name>.pid`, `<name>.port` and `<name>.log`."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self.state_dir = state_dir
        self.name = name
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid_path(self) -> Path:
        return self.state_dir / f"{self.name}.pid"

    @property
    def log_path(self) -> Path:
        return self.state_dir / f"{self.name}.log"

    @property
    def port(self) -> int:
        """The same one at every start, so that who was told it still finds it."""
        path = self.state_dir / f"{self.name}.port"
        if not path.exists():
            self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
            with socket.create_server((HOST, 0)) as probe:
                path.write_text(str(probe.getsockname()[1]), encoding="ascii")
        return int(path.read_text(encoding="ascii"))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the running process, or None; another process that got its number is none."""
        try:
            pid_text, _, started = self.pid_path.read_text(encoding="ascii").partition(" ")
            pid = int(pid_text)
            return pid if started == _started(pid) else None
        except (OSError, ValueError, IndexError):
            return None

    def start(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        ready_path: str,
        timeout_s: float,
    ) -> None:
        """Start it unless it runs; returns when it answers.

        Args:
            environment: besides this process's own; secrets belong here.

        Raises:
            OnyxError: it did not answer; ends with the log's tail.
        """
        if self.pid is not None:
            return
        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pid = self._child.pid
        self.pid_path.write_text(f"{pid} {_started(pid)}", encoding="ascii")
        self._wait_until_ready(ready_path, timeout_s)

    def stop(self) -> None:
        """Stop it; fine if it does not run."""
        pid = self._child.pid if self._child is not None else self.pid
        for number in (signal.SIGTERM, signal.SIGKILL):
            if pid is None or self._ended(pid, 0):
                break
            with suppress(ProcessLookupError):
                os.killpg(pid, number)
            if self._ended(pid, _STOP_TIMEOUT_S):
                break
        if self._child is not None:
            # Whoever ended it, its parent must ask for its exit status.
            self._child.wait(_STOP_TIMEOUT_S)
            self._child = None
        self.pid_path.unlink(missing_ok=True)

    def _wait_until_ready(self, path: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._child and self._child.poll() is None:
            with suppress(httpx.HTTPError):
                if _get(self.url + path).is_success:
                    return
            time.sleep(0.05)
        tail = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        self.stop()
        raise OnyxError(
            f"{self.name} did not answer: " + "\n".join(tail), remedy=f"See {self.log_path}."
        )

    def _ended(self, pid: int, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while True:
            if (
                self._child is not None
                and self._child.pid == pid
                and self._child.poll() is not None
            ):
                return True
            if self._child is None and self.pid != pid:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _started(pid: int) -> str:
    """Ticks since boot at which it started; "" of one that only waits to be reaped."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=2, trust_env=False, verify=usual_certificates())
