"""The mock model as a process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx

from onyx_pipelines.sandbox.llm.delays import Delays
from onyx_pipelines.sandbox.service_process import ServiceProcess

_START_TIMEOUT_S = 120.0


class MockModel(ServiceProcess):
    """Outlives its starter; found again in `state_dir`."""

    def __init__(self, state_dir: Path, delays: Delays | None = None) -> None:
        super().__init__(state_dir, "llm")
        self._delays = delays or Delays()

    @property
    def api_url(self) -> str:
        """For clients of OpenAI's API."""
        return f"{self.url}/v1"

    def start(self) -> None:
        """Raises OnyxError: it did not answer."""
        self.serve(
            [
                *(sys.executable, "-m", "onyx_pipelines.sandbox.llm"),
                *("--port", str(self.port)),
                *("--first-token-ms", str(self._delays.first_token_ms)),
                *("--token-ms", str(self._delays.token_ms)),
                *("--tokens", str(self._delays.tokens)),
            ],
            {},
            ready_path="/health",
            timeout_s=_START_TIMEOUT_S,
        )

    def set_delays(self, **delays: Any) -> None:
        """Without arguments the usual ones."""
        wanted = Delays(**delays) if delays else self._delays
        httpx.put(
            f"{self.url}/delays", json=wanted.model_dump(), trust_env=False
        ).raise_for_status()
