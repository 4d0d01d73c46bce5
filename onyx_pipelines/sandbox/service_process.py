"""A server of the sandbox as a process of its own: started, waited for, found again, stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.host.background import BackgroundProcess
from onyx_pipelines.sandbox.containers.services import Contained
from onyx_pipelines.sandbox.ports import HOST, free_port


class ServiceProcess(BackgroundProcess):
    """A server that listens on a port of the loopback address; in a `container`, where it has
    one."""

    container: Contained | None = None

    def spawn(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
    ) -> None:
        """As any background process; in a container without this process's own environment."""
        if self.container is None:
            super().spawn(command, environment, directory=directory)
            return
        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.adopt(
            self.container.start(command, environment, log=self.log_path, directory=directory)
        )

    @property
    def port(self) -> int:
        """The same one at every start, so that who was told it still finds it."""
        return kept_port(self.state_dir, self.name)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def serve(
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
        if self.pid is None:
            self.spawn(command, environment)
            self.wait_until(lambda: answers(self.url + ready_path), timeout_s)

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Until it is; one that is not in time, or that ended, is stopped.

        Raises:
            OnyxError: it is not ready; ends with the log's tail.
        """
        deadline = time.monotonic() + timeout_s
        try:
            while self.is_alive:
                if is_ready():
                    return
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            what = "did not answer" if self.is_alive else "ended"
        except BaseException:
            self.stop()
            raise
        self.stop()
        raise OnyxError(f"{self.name} {what}: {self.log_tail()}", remedy=f"See {self.log_path}.")


def kept_port(state_dir: Path, name: str) -> int:
    """A port that is free when it is first asked for, and the same from then on."""
    path = state_dir / f"{name}.port"
    if not path.exists():
        state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(str(free_port()), encoding="ascii")
    return int(path.read_text(encoding="ascii"))


class Started(Protocol):
    """A server that runs for a block. What has started it, or finds it running, may stop it."""

    def start(self) -> Self: ...

    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def answers(url: str) -> bool:
    """Whether a GET of it succeeds."""
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2, trust_env=False, verify=usual_certificates()).is_success
    return False
