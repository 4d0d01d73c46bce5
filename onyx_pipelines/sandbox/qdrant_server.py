"""The Edge-backed stand-in for Qdrant as a process of its own, on loopback, in one directory.

It outlives the process that started it; `QdrantStandIn.attach` finds it again from another one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.sandbox.description_file import DescriptionFile
from onyx_pipelines.sandbox.ports import free_port, port_again
from onyx_pipelines.sandbox.service_process import ServiceProcess, Started

_MODULE = "onyx_pipelines.sandbox.qdrant_standin"
_READY_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class _Description:
    """Stands in `qdrant.json`."""

    port: int
    api_key: str
    read_only_key: str


class QdrantStandIn(ServiceProcess, Started):
    """One stand-in process. With an `api_key` it asks for one, as a server does."""

    def __init__(
        self,
        state_dir: Path,
        port: int | None = None,
        *,
        api_key: str = "",
        read_only_key: str = "",
    ) -> None:
        super().__init__(state_dir, "qdrant")
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
    def port(self) -> int:
        return self._description.read().port

    @property
    def data_dir(self) -> Path:
        return self.state_dir / "data"

    def start(self) -> Self:
        """Start it unless it runs; returns when it answers.

        Raises:
            OnyxError: it did not answer; ends with the log's tail.
        """
        if self.pid is not None:
            return self
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        described = self._describe()
        self.serve(
            [
                *(sys.executable, "-m", _MODULE),
                *("--directory", self.data_dir, "--port", str(described.port)),
            ],
            {
                "STANDIN_API_KEY": described.api_key,
                "STANDIN_READ_ONLY_KEY": described.read_only_key,
            },
            ready_path="/readyz",
            timeout_s=_READY_TIMEOUT_S,
        )
        return self

    def set_faults(self, **faults: Any) -> None:
        """Inject faults (see qdrant_standin/faults.py); without arguments all are removed."""
        httpx.put(
            f"{self.url}/standin/faults",
            json=faults,
            trust_env=False,
            verify=usual_certificates(),
        ).raise_for_status()

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
