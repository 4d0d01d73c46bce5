"""Which services of the sandbox run in containers, with which limits."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.host.background import tail_of
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.host.processes import plain_environment
from onyx_pipelines.sandbox.containers.engine import Limits, SandboxEngine, Wanted
from onyx_pipelines.sandbox.llm import litellm_environment
from onyx_pipelines.sources.volumes.docker_engine import open_engine

LABEL: Final = "onyx.sandbox"
_MIB: Final = 1 << 20
# By name, as on manus-network: several times what each takes in the sandbox.
LIMITS: Final[Mapping[str, Limits]] = {
    "postgresql": Limits(512 * _MIB, 2.0),
    "s3": Limits(512 * _MIB, 2.0),
    "redis": Limits(128 * _MIB, 0.5),
    "nginx": Limits(64 * _MIB, 0.5),
    "qdrant": Limits(768 * _MIB, 1.0),
    "llm": Limits(384 * _MIB, 1.0),
    "litellm": Limits(1024 * _MIB, 1.0),
    "onyx-core": Limits(512 * _MIB, 1.0),
    "suna": Limits(512 * _MIB, 1.0),
}


@dataclass(frozen=True)
class Contained:
    """One service's container: made anew at each start.

    Args:
        host: of the engine.
        state_dir: the sandbox's, which it may write to.
    """

    service: str
    host: str
    state_dir: Path

    def start(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        log: Path,
        directory: Path | None = None,
        user: str = "",
    ) -> int:
        """Its process id on this machine.

        Args:
            log: to whose end it writes.
            user: number of a user and of a group; empty: who runs this.

        Raises:
            OnyxError: it ended at once.
            SourceError: the engine cannot run it.
        """
        with SandboxEngine(self.host) as engine:
            engine.make_image()
            state = engine.run(
                Wanted(
                    f"{self.service}.{_mark(self.state_dir)}",
                    ["/bin/sh", "-c", 'exec "$@" >>"$0" 2>&1', str(log), *map(str, command)],
                    # Without it nobody could tell whose processes are left behind by an engine.
                    {**plain_environment(), "SANDBOX_DIRECTORY": f"{self.state_dir}"}
                    | dict(environment),
                    {
                        LABEL: _mark(self.state_dir),
                        "com.docker.compose.project": "onyx-sandbox",
                        "com.docker.compose.service": self.service,
                    },
                    LIMITS[self.service],
                    directory or self.state_dir,
                    user or f"{os.getuid()}:{os.getgid()}",
                    _programs(),
                    [self.state_dir],
                )
            )
        if not state.pid:
            raise OnyxError(
                f"The container of {self.service} ended: {tail_of(log, 12)}", remedy=f"See {log}."
            )
        return state.pid


class Containers:
    """Those of the sandbox in `state_dir`, and on which engine they are."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._path = state_dir / "docker_host"

    @property
    def host(self) -> str:
        """Of the engine; empty: its services are processes."""
        return self._path.read_text(encoding="utf-8") if self._path.exists() else ""

    @property
    def label(self) -> str:
        """`name=value`, which all of them have."""
        return f"{LABEL}={_mark(self._state_dir)}"

    def use(self, host: str) -> None:
        """From now on.

        Raises:
            NotFoundError: this machine has no engine there.
        """
        engine = open_engine(host) if host.startswith("unix://") else None
        if engine is None:
            raise NotFoundError(
                f"There is no Docker engine on this machine at {host or 'no address'}.",
                remedy="Start one (Debian: docker.io) and name its socket in ONYX_DOCKER_HOST, or"
                " leave out --containers: then the services are processes.",
            )
        engine.close()
        replace_durably(self._path, host.encode())

    def of(self, service: str) -> Contained | None:
        """None: it is a process."""
        host = self.host
        return Contained(service, host, self._state_dir) if host else None

    def remove(self) -> None:
        """All of them, whatever they do."""
        # An engine that is not there any more has none.
        if self.host and Path(urlsplit(self.host).path).exists():
            with SandboxEngine(self.host) as engine:
                for each in engine.states(self.label):
                    engine.remove(each.name)


def _mark(state_dir: Path) -> str:
    return hashlib.sha256(bytes(state_dir)).hexdigest()[:8]


def _programs() -> list[Path]:
    """Where this machine has what the services run: programs, Python, its packages, our code."""
    wanted = (
        *(Path("/usr"), Path("/etc"), Path(sys.base_prefix), Path(sys.prefix)),
        *(Path(__file__).parents[3], litellm_environment.default_directory()),
    )
    found = sorted({path.resolve() for path in wanted if path.exists()})
    return [path for path in found if not any(path.is_relative_to(p) for p in found if p != path)]
