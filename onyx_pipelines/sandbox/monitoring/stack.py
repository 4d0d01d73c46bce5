"""Everything that watches the sandbox: started beside its servers, found again, stopped.

Stand-ins: Suna is a second instance of the sandbox's application, LiteLLM the mock model under
LiteLLM's names, cAdvisor our own exporter of processes, or of containers' control groups.
PostgreSQL, Redis, nginx and what watches them are real.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from onyx_pipelines.core.settings import Receivers, Thresholds
from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.monitoring.deployment import Deployment, Pace
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.services import Probed, Scraped
from onyx_pipelines.sandbox.app.server import SandboxApp
from onyx_pipelines.sandbox.containers.services import Containers
from onyx_pipelines.sandbox.llm.litellm_proxy import METRICS_PATH, LiteLlmProxy
from onyx_pipelines.sandbox.llm.server import MockModel
from onyx_pipelines.sandbox.monitoring import programs
from onyx_pipelines.sandbox.monitoring.edge import Edge
from onyx_pipelines.sandbox.monitoring.programs import Program, all_there
from onyx_pipelines.sandbox.monitoring.prometheus import PrometheusServer
from onyx_pipelines.sandbox.monitoring.receiver import Receiver
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.service_process import ServiceProcess

# An alert is in the mailbox within some ten seconds; in the order in which production has them.
PACE: Final = Pace("2s", 1 / 8, timedelta(seconds=8), group_wait="1s", group_interval="2s")
_START_TIMEOUT_S: Final = 120.0
# What Go's collector keeps to where it can.
_SMALL: Final = {"GOMEMLIMIT": "40MiB"}
_SUNA_POOL: Final = 5
_REDIS_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class Watched:
    """The sandbox's own servers.

    Args:
        api_environment: of the product's API, which is watched too.
        litellm: before the model, where it runs.
    """

    postgres: PostgresServer
    qdrant: QdrantStandIn
    llm: MockModel
    app: SandboxApp
    api_environment: Mapping[str, str]
    litellm: LiteLlmProxy


class MonitoringStack:
    """In `state_dir`, each program in a directory of its own. `thresholds` and `pace`: of the next
    start."""

    def __init__(self, state_dir: Path, containers: Containers) -> None:
        self.state_dir = state_dir
        self._engine = containers
        self.thresholds = Thresholds()
        self.pace = PACE
        self.receiver = Receiver(state_dir / "receiver")
        self.suna = SandboxApp(state_dir / "suna")
        self.edge = Edge(state_dir / "nginx")
        self.redis = self._process("redis")
        self.api = self._process("api")
        self.prometheus = PrometheusServer(state_dir / "prometheus")
        self.alertmanager = self._process("alertmanager")
        self.exporters = {
            name: self._process(f"{name}_exporter")
            for name in ("postgres", "redis", "nginx", "node", "blackbox")
        }
        self.containers = self._process("containers")

    def contain(self) -> None:
        """What is watched and is of this stack runs in containers from now on."""
        self.suna.container = self._engine.of("suna")
        self.redis.container = self._engine.of("redis")
        self.edge.container = self._engine.of("nginx")

    def up(self, watched: Watched, *, say: Callable[[str], None] = lambda _: None) -> None:
        """Start what does not run; what a program is missing for is left out, and said.

        Raises:
            OnyxError: a program did not start.
        """
        self.receiver.start()
        self.start_suna(watched.postgres, watched.qdrant, watched.llm)
        self._start_api(watched.api_environment)
        self._start_containers(watched)
        scraped = [*self._own(watched), *self._exported(watched, say)]
        probed = self._probed(say)
        deployment = Deployment(
            scraped,
            probed,
            _address(self.alertmanager),
            _address(self.exporters["blackbox"]),
            self.pace,
        )
        self._start_watchers(deployment, say)

    def down(self) -> None:
        """Stop it all; fine if nothing runs."""
        with ExitStack() as stack:
            for process in self.processes():
                stack.callback(process.stop)

    def processes(self) -> Iterator[ServiceProcess]:
        """Those that were ever started here."""
        for process in (
            *(self.receiver, self.suna, self.redis, self.edge, self.api, self.containers),
            *(*self.exporters.values(), self.alertmanager, self.prometheus),
        ):
            if process.pid_path.exists():
                yield process

    def _process(self, name: str) -> ServiceProcess:
        return ServiceProcess(self.state_dir / name, name)

    def _own(self, watched: Watched) -> list[Scraped]:
        """What has metrics itself."""
        return [
            Scraped("suna", "suna", _address(self.suna)),
            Scraped("onyx", "onyx", _address(watched.app)),
            Scraped("qdrant", "qdrant", _address(watched.qdrant)),
            scraped_litellm(watched.litellm, watched.llm),
            Scraped("cadvisor", "host", _address(self.containers)),
            Scraped(
                "onyx-pipelines",
                "onyx-pipelines",
                _address(self.api),
                user="admin",
                password_file=str(self._metrics_password()),
                keeps_labels=True,
            ),
            Scraped("prometheus", "prometheus", _address(self.prometheus)),
            Scraped("alertmanager", "alertmanager", _address(self.alertmanager)),
        ]

    def _exported(self, watched: Watched, say: Callable[[str], None]) -> Iterator[Scraped]:
        """What has an exporter."""
        postgres, exporters = watched.postgres, self.exporters
        if all_there(say, "PostgreSQL's metrics", programs.POSTGRES_EXPORTER):
            address = f"{postgres.host}:{postgres.port}/postgres?sslmode=disable"
            self._export(
                "postgres",
                programs.POSTGRES_EXPORTER,
                environment={
                    "DATA_SOURCE_URI": address,
                    "DATA_SOURCE_USER": postgres.user,
                    "DATA_SOURCE_PASS_FILE": str(postgres.password_path),
                },
            )
            yield Scraped("postgresql", "postgresql", _address(exporters["postgres"]))
        if all_there(say, "Redis", programs.REDIS, programs.REDIS_EXPORTER):
            self.start_redis()
            self._export(
                "redis", programs.REDIS_EXPORTER, "-redis.addr", f"redis://{_address(self.redis)}"
            )
            yield Scraped("redis", "redis", _address(exporters["redis"]))
        if all_there(say, "nginx", programs.NGINX, programs.OPENSSL, programs.NGINX_EXPORTER):
            self.edge.start(self.suna.url)
            status = f"{self.edge.url}/stub_status"
            self._export("nginx", programs.NGINX_EXPORTER, "-nginx.scrape-uri", status)
            yield Scraped("nginx", "nginx", _address(exporters["nginx"]))
        if all_there(say, "the machine's metrics", programs.NODE_EXPORTER):
            # This machine's clock is not the sandbox's business.
            self._export("node", programs.NODE_EXPORTER, "--no-collector.timex")
            yield Scraped("node", "host", _address(exporters["node"]))

    def _probed(self, say: Callable[[str], None]) -> list[Probed]:
        """What people use, asked as they would ask it."""
        if not all_there(say, "probes from outside", programs.BLACKBOX_EXPORTER):
            return []
        folder = self.exporters["blackbox"].state_dir
        folder.mkdir(parents=True, exist_ok=True)
        tls = {"ca_file": str(self.edge.certificate)}
        module = {"prober": "http", "timeout": "2s", "http": {"tls_config": tls}}
        path = folder / "blackbox.yml"
        # JSON is YAML.
        path.write_text(json.dumps({"modules": {"http_2xx": module}}), encoding="utf-8")
        self._export("blackbox", programs.BLACKBOX_EXPORTER, f"--config.file={path}")
        edge = [Probed("edge", f"{self.edge.tls_url}/health")] if self.edge.pid else []
        return [*edge, Probed("suna", f"{self.suna.url}/health")]

    def start_suna(self, postgres: PostgresServer, qdrant: QdrantStandIn, llm: MockModel) -> None:
        """Raises OnyxError: it did not answer."""
        self.suna.start(postgres, qdrant.url, llm.api_url, pool_size=_SUNA_POOL)

    def start_redis(self) -> None:
        """A server that keeps nothing on disk.

        Raises:
            OnyxError: it did not answer.
        """
        self.redis.state_dir.mkdir(parents=True, exist_ok=True)
        _listen(
            self.redis,
            [
                *(programs.REDIS.found, "--bind", HOST, "--port", str(self.redis.port)),
                *("--save", "", "--maxmemory", str(_REDIS_BYTES), "--dir", self.redis.state_dir),
            ],
            {},
        )

    def _export(
        self, name: str, exporter: Program, *options: str, environment: Mapping[str, str] = _SMALL
    ) -> None:
        process = self.exporters[name]
        # Those that know only one dash before an option know two as well.
        process.serve(
            [exporter.found, f"--web.listen-address={_address(process)}", *options],
            {**_SMALL, **environment},
            ready_path="/metrics",
            timeout_s=_START_TIMEOUT_S,
        )

    def _start_api(self, environment: Mapping[str, str]) -> None:
        command = "from onyx_pipelines.cli import main; main()"
        _listen(
            self.api,
            [sys.executable, "-c", command, "api", "serve"],
            {
                **environment,
                "ONYX_API_PORT": str(self.api.port),
                "ONYX_METRICS_PASSWORD_FILE": str(self._metrics_password()),
            },
        )

    def _metrics_password(self) -> Path:
        path = self.state_dir / "metrics.password"
        if not path.exists():
            create_durably(path, secrets.token_urlsafe(24).encode(), mode=0o600)
        return path

    def _start_containers(self, watched: Watched) -> None:
        """What stands in for cAdvisor."""
        self.containers.serve(
            [
                *(sys.executable, "-m", *self._figures(watched)),
                *("--port", str(self.containers.port)),
            ],
            {},
            ready_path="/metrics",
            timeout_s=_START_TIMEOUT_S,
        )

    def _figures(self, watched: Watched) -> list[str]:
        """The module that has them, with its options."""
        package = "onyx_pipelines.sandbox.monitoring"
        if self._engine.host:
            options = ["--docker-host", self._engine.host, "--label", self._engine.label]
            return [f"{package}.container_figures", *options]
        files = {
            "suna": self.suna.pid_path,
            "onyx-core": watched.app.pid_path,
            "litellm": watched.llm.pid_path,
            "qdrant": watched.qdrant.pid_path,
            "postgresql": watched.postgres.data_dir / "postmaster.pid",
            "redis": self.redis.pid_path,
            "nginx": self.edge.pid_path,
        }
        return [
            f"{package}.process_figures",
            *(f"{name}={path}" for name, path in files.items()),
        ]

    def _start_watchers(self, deployment: Deployment, say: Callable[[str], None]) -> None:
        receivers = Receivers(
            slack_channel="",
            mail_to="operators@localhost",
            mail_host=f"{HOST}:{self.receiver.mail_port}",
            mail_tls=False,
            webhook_url=self.receiver.webhook_url,
            watchdog_url=f"{self.receiver.url}/watchdog",
        )
        folder = self.state_dir / "configuration"
        is_new = False
        for path, text in rendered(self.thresholds, receivers, deployment).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
                is_new = True
        if is_new and self.prometheus.pid:
            self.prometheus.reload()
        if all_there(say, "what watches", programs.PROMETHEUS):
            targets = len(deployment.scraped) + len(deployment.probed)
            self.prometheus.start(folder / "prometheus" / "prometheus.yml", targets)
        if all_there(say, "what tells people", programs.ALERTMANAGER):
            self.alertmanager.serve(
                [
                    *(programs.ALERTMANAGER.found, "--cluster.listen-address="),
                    f"--web.listen-address={_address(self.alertmanager)}",
                    f"--config.file={folder}/alertmanager/alertmanager.yml",
                    f"--storage.path={self.alertmanager.state_dir}/data",
                ],
                _SMALL,
                ready_path="/-/ready",
                timeout_s=_START_TIMEOUT_S,
            )


def scraped_litellm(proxy: LiteLlmProxy, model: MockModel) -> Scraped:
    """The real proxy, where it runs; else what the mock model says under its names."""
    if proxy.pid:
        return Scraped("litellm", "litellm", proxy.metrics_address, METRICS_PATH)
    return Scraped("litellm", "litellm", _address(model))


def _address(server: ServiceProcess) -> str:
    return f"{HOST}:{server.port}"


def _listen(
    server: ServiceProcess, command: Sequence[str | Path], environment: Mapping[str, str]
) -> None:
    """Start one that has no page which anybody may ask for, unless it runs.

    Raises:
        OnyxError: it did not answer.
    """
    if server.pid is None:
        server.spawn(command, environment)
        server.wait_until(lambda: _listens(server.port), _START_TIMEOUT_S)


def _listens(port: int) -> bool:
    # Whoever waits for it asks again.
    with suppress(OSError), socket.create_connection((HOST, port), timeout=2):
        return True
    return False
