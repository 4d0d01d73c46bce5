"""The sandbox's servers by the names that they have in a Compose project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.postgres_server import PostgresServer
    from onyx_pipelines.sandbox.service_process import ServiceProcess
    from onyx_pipelines.sandbox.stack import Sandbox


@dataclass(frozen=True)
class ComposeService:
    """One of them. `folder`: where a container of it would work."""

    name: str
    server: PostgresServer | ServiceProcess
    start: Callable[[], object]
    folder: Path

    @property
    def pid(self) -> int | None:
        """None: it does not run."""
        return self.server.pid

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.server.log_path

    def up(self) -> None:
        """Started, unless it runs.

        Raises:
            OnyxError: it did not answer.
        """
        if self.pid is None:
            self.start()


def services_of(sandbox: Sandbox) -> dict[str, ComposeService]:
    """Those that there are, in an order in which they can be started."""
    watching = sandbox.monitoring
    proxy = sandbox.litellm
    is_proxied = proxy.pid_path.exists()
    model = proxy if is_proxied else sandbox.llm
    found = (
        ComposeService("postgres", sandbox.postgres, sandbox.postgres.start, sandbox.state_dir),
        ComposeService("qdrant", sandbox.qdrant, sandbox.qdrant.start, sandbox.qdrant.data_dir),
        ComposeService(
            "litellm",
            model,
            (lambda: proxy.start(sandbox.llm.api_url)) if is_proxied else sandbox.llm.start,
            model.state_dir,
        ),
        ComposeService("redis", watching.redis, watching.start_redis, watching.redis.state_dir),
        ComposeService("onyx-core", sandbox.app, sandbox.start_app, sandbox.app.state_dir),
        ComposeService(
            "suna",
            watching.suna,
            lambda: watching.start_suna(sandbox.postgres, sandbox.qdrant, sandbox.llm),
            watching.suna.state_dir,
        ),
        ComposeService(
            "nginx",
            watching.edge,
            lambda: watching.edge.start(watching.suna.url),
            watching.edge.state_dir,
        ),
    )
    return {each.name: each for each in found}


def unused_images(sandbox: Sandbox) -> Path:
    """Where files lie that stand for images that nothing uses."""
    return sandbox.state_dir / "unused-images"
