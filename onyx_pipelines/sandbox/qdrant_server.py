"""The Edge-backed stand-in for Qdrant as a process of its own, on loopback, in one directory.

It outlives the process that started it; `QdrantStandIn.attach` finds it again from another one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from onyx_pipelines.certificates import usual_certificates
from onyx_pipelines.errors import NotFoundError, OnyxError

_HOST = "127.0.0.1"
_MODULE = "onyx_pipelines.sandbox.qdrant_standin"
_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class _Description:
    """What another process needs to know; stands in `qdrant.json`, mode 0600."""

    port: int
    api_key: str
    read_only_key: str


class QdrantStandIn:
    """One stand-in process. With an `api_key` it asks for one, as a server does."""

    def __init__(
        self,
        state_dir: Path,
        port: int | None = None,
        *,
        api_key: str = "",
        read_only_key: str = "",
    ) -> None:
        self._state = state_dir
        self._wanted_port = port or None
        self._api_key = api_key
        self._read_only_key = read_only_key
        self._child: subprocess.Popen[bytes] | None = None

    @classmethod
    def attach(cls, state_dir: Path) -> Self:
        """The stand-in that was started in `state_dir`, running or not.

        Raises:
            NotFoundError: none was ever started there.
        """
        server = cls(state_dir)
        if not server._description_path.exists():
            raise NotFoundError(
                f"No Qdrant stand-in was started in {state_dir}.", remedy="Run `onyx sandbox up`."
            )
        return server

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._description.port}"

    @property
    def log_path(self) -> Path:
        return self._state / "qdrant.log"

    @property
    def pid_path(self) -> Path:
        return self._state / "qdrant.pid"

    @property
    def data_dir(self) -> Path:
        return self._state / "data"

    @property
    def pid(self) -> int | None:
        """Of the running process, or None."""
        try:
            pid = int(self.pid_path.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.data_dir) in command and state[0] != "Z" else None

    def start(self) -> Self:
        """Start it unless it runs; returns when it answers.

        Raises:
            OnyxError: it did not answer; ends with the log's tail.
        """
        if self.pid is not None:
            return self
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._describe()
        environment = {
            **os.environ,
            "STANDIN_API_KEY": self._description.api_key,
            "STANDIN_READ_ONLY_KEY": self._description.read_only_key,
        }
        command = [
            sys.executable, "-m", _MODULE,
            "--directory", str(self.data_dir), "--port", str(self._description.port),
        ]  # fmt: skip
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid_path.write_text(str(self._child.pid), encoding="ascii")
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """Stop it and wait until its data is flushed; fine if it does not run."""
        pid = self.pid
        if pid is not None:
            self._send(pid, signal.SIGTERM)
            if not self._ends_within(_STOP_TIMEOUT_S):
                self._send(pid, signal.SIGKILL)
                self._ends_within(_STOP_TIMEOUT_S)
        self._reap()
        self.pid_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """As a power cut would."""
        pid = self.pid
        if pid is not None:
            self._send(pid, signal.SIGKILL)
            self._ends_within(_STOP_TIMEOUT_S)
        self._reap()

    def set_faults(self, **faults: Any) -> None:
        """Plant faults (see qdrant_standin/faults.py); without arguments all are removed."""
        httpx.put(
            f"{self.url}/standin/faults",
            json=faults,
            trust_env=False,
            verify=usual_certificates(),
        ).raise_for_status()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _description_path(self) -> Path:
        return self._state / "qdrant.json"

    @property
    def _description(self) -> _Description:
        return _Description(**json.loads(self._description_path.read_text(encoding="utf-8")))

    def _describe(self) -> None:
        """The port and keys of before, but another port where somebody else has it now."""
        if self._description_path.exists():
            known = self._description
            if self._wanted_port or _is_free(known.port):
                return
            description = replace(known, port=_free_port())
        else:
            port = self._wanted_port or _free_port()
            description = _Description(port, self._api_key, self._read_only_key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(self._description_path, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(description), file)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        # Not self.pid: a process that was started this moment has no command line yet.
        while time.monotonic() < deadline and self._child and self._child.poll() is None:
            with suppress(httpx.HTTPError):
                if self._is_ready():
                    return
            time.sleep(0.05)
        tail = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        self.stop()
        raise OnyxError(
            "The Qdrant stand-in did not answer: " + "\n".join(tail), remedy=f"See {self.log_path}."
        )

    def _is_ready(self) -> bool:
        answer = httpx.get(
            f"{self.url}/readyz", timeout=1, trust_env=False, verify=usual_certificates()
        )
        return answer.status_code == 200

    def _ends_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.pid is None:
                return True
            time.sleep(0.02)
        return False

    def _reap(self) -> None:
        """Whoever ended it, its parent must ask for its exit code."""
        if self._child is not None:
            self._child.wait(_STOP_TIMEOUT_S)
            self._child = None

    def _send(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _is_free(port: int) -> bool:
    try:
        socket.create_server((_HOST, port)).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
