"""The Edge-backed stand-in for Qdrant as a process of its own, on loopback, in one directory.

It outlives the process that started it; `QdrantStandIn.attach` finds it again from another one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from onyx_pipelines.certificates import usual_certificates
from onyx_pipelines.sandbox.description_file import DescriptionFile
from onyx_pipelines.sandbox.ports import HOST, free_port, port_again
from onyx_pipelines.sandbox.service_process import ServiceProcess, answers

_MODULE = "onyx_pipelines.sandbox.qdrant_standin"
_READY_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class _Description:
    """Stands in `qdrant.json`."""

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
        self._process = ServiceProcess(state_dir, "qdrant")
        self._description = DescriptionFile(
            state_dir / "qdrant.json", _Description, "Qdrant stand-in"
        )
        self._wanted_port = port or None
        self._api_key = api_key
        self._read_only_key = read_only_key

    @classmethod
    def attach(cls, state_dir: Path) -> Self:
        """The stand-in that was started in `state_dir`, running or not.

        Raises:
            NotFoundError: none was ever started there.
        """
        server = cls(state_dir)
        server._description.read()
        return server

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._description.read().port}"

    @property
    def log_path(self) -> Path:
        return self._process.log_path

    @property
    def pid_path(self) -> Path:
        return self._process.pid_path

    @property
    def data_dir(self) -> Path:
        return self._process.state_dir / "data"

    @property
    def pid(self) -> int | None:
        """Of the running process, or None."""
        return self._process.pid

    def start(self) -> Self:
        """Start it unless it runs; returns when it answers.

        Raises:
            OnyxError: it did not answer; ends with the log's tail.
        """
        if self.pid is not None:
            return self
        self._process.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        described = self._describe()
        self._process.spawn(
            [
                *(sys.executable, "-m", _MODULE),
                *("--directory", self.data_dir, "--port", str(described.port)),
            ],
            {
                "STANDIN_API_KEY": described.api_key,
                "STANDIN_READ_ONLY_KEY": described.read_only_key,
            },
        )
        self._process.wait_until(lambda: answers(f"{self.url}/readyz"), _READY_TIMEOUT_S)
        return self

    def stop(self) -> None:
        """Stop it and wait until its data is flushed; fine if it does not run."""
        self._process.stop()

    def kill(self) -> None:
        """As a power cut would."""
        self._process.kill()

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

    def _describe(self) -> _Description:
        """The port and keys of before, but another port where somebody else has it now."""
        known = self._description.find()
        if known is None:
            port = self._wanted_port or free_port()
            known = _Description(port, self._api_key, self._read_only_key)
        elif not self._wanted_port:
            known = replace(known, port=port_again(known.port))
        self._description.write(known)
        return known
