"""The front end as a process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines.sandbox.suna.module import make_module

_SCRIPT: Final = Path(__file__).with_name("server.mjs")
_START_TIMEOUT_S: Final = 30.0


class SunaServer(ServiceProcess):
    """Outlives its starter; found again in `state_dir`. `POST /break` makes it fail."""

    def __init__(self, state_dir: Path, module_dir: Path) -> None:
        super().__init__(state_dir, "suna")
        self._module_dir = module_dir

    @property
    def spool(self) -> Path:
        """Where its events wait for the tracker."""
        return self.state_dir / "errors"

    def start(self, dsn: str, pseudonym_key: str) -> None:
        """Make its module if need be, and start it.

        Args:
            dsn: of the tracker.
            pseudonym_key: the same as of the application, so that a user is the same in both.

        Raises:
            OnyxError: its packages could not be installed, or it did not answer.
        """
        if self.pid is not None:
            return
        make_module(self._module_dir)
        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        key = self.state_dir / "pseudonym.key"
        replace_durably(key, pseudonym_key.encode(), mode=0o600)
        self.serve(
            ["node", _SCRIPT, self._module_dir],
            {
                "PORT": str(self.port),
                "SENTRY_DSN": dsn,
                "SPOOL_FOLDER": str(self.spool),
                "PSEUDONYM_KEY_FILE": str(key),
            },
            ready_path="/health",
            timeout_s=_START_TIMEOUT_S,
        )
