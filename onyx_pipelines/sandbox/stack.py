"""The whole sandbox: servers, sample data, keys, and the environment that points at them.

Everything lies in one directory; `down` stops the servers and deletes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import list_text
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.sandbox.app.server import SandboxApp
from onyx_pipelines.sandbox.containers.services import LIMITS, Containers
from onyx_pipelines.sandbox.errors import bugsink_environment
from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines.sandbox.game_days.broken import mend
from onyx_pipelines.sandbox.llm.litellm_environment import default_directory
from onyx_pipelines.sandbox.llm.litellm_proxy import LiteLlmProxy
from onyx_pipelines.sandbox.llm.server import MockModel
from onyx_pipelines.sandbox.monitoring.stack import MonitoringStack, Watched
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.s3_server import S3Server
from onyx_pipelines.sandbox.sample_postgres import DATABASES, load_sample_databases
from onyx_pipelines.sandbox.sample_volumes import make_sample_volumes
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines.sandbox.suna import module as suna_module
from onyx_pipelines.sandbox.suna.server import SunaServer
from onyx_pipelines.vault.host_keys import make_missing_keys

DAGSTER_DATABASE = "dagster"
_DOCUMENTS_PER_SIZE = 2000
_VOLUME_BYTES_PER_SIZE = 5_000_000
_DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"


@dataclass(frozen=True)
class Service:
    """One server of the sandbox."""

    name: str
    running: bool
    address: str
    optional: bool = False


class Sandbox:
    """The embedded stack in `state_dir`."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir.absolute()
        self.postgres = PostgresServer(self.state_dir / "postgres")
        self.s3 = S3Server(self.state_dir / "s3")
        self.qdrant = QdrantStandIn(self.state_dir / "qdrant")
        self.llm = MockModel(self.state_dir / "llm")
        self.litellm = LiteLlmProxy(self.state_dir / "litellm", default_directory())
        self.app = SandboxApp(self.state_dir / "app")
        self.containers = Containers(self.state_dir)
        self.monitoring = MonitoringStack(self.state_dir / "monitoring", self.containers)
        self.bugsink = BugsinkServer(
            self.state_dir / "bugsink", bugsink_environment.default_directory()
        )
        self.suna = SunaServer(self.state_dir / "suna", suna_module.default_directory())

    def up(
        self,
        *,
        size: float = 1.0,
        litellm: bool = False,
        application: bool = True,
        monitoring: bool = False,
        errors: bool = False,
        docker_host: str = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start what does not run and make what is not there.

        Args:
            application: whether there is one, with a model, that load tests can send to.
            litellm: whether the application reaches its model through LiteLLM's proxy, which is
                installed in an environment of its own (about 750 MB) the first time.
            monitoring: whether all of it is watched by Prometheus; what this machine lacks for that
                is left out, and said.
            errors: whether its errors go to a Bugsink, which is installed in an environment of its
                own (about 200 MB) the first time; beside the application there is a front end in
                Node then, where this machine has that.
            docker_host: of an engine of this machine, in whose containers services run from now on;
                what stays a process is said.

        Raises:
            OnyxError: a server did not start.
        """
        # Imported here: Qdrant's client takes half a second, which `env` and `down` need not spend.
        from onyx_pipelines.sandbox.sample_vectors import load_sample_vectors

        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        if docker_host:
            self.containers.use(docker_host)
        self.contain(say)
        mend(self, say)
        say("PostgreSQL …")
        self.postgres.start()
        load_sample_databases(self.postgres, size=size)
        self._make_dagster_database()
        say("S3 (SeaweedFS) …")
        self.s3.start()
        say("Qdrant (Edge-backed stand-in) …")
        self.qdrant.start()
        load_sample_vectors(self.qdrant.url, documents=int(_DOCUMENTS_PER_SIZE * size))
        if errors and self.bugsink.pid is None:
            say("Bugsink (installed the first time) …")
            self.bugsink.start()
            # It runs without.
            self.app.stop()
        if errors:
            self._start_suna(say)
        if application:
            say("the application, and a model with fixed delays …")
            self.llm.start()
            self.start_app(litellm=litellm, say=say)
        if not self._volumes_dir.exists():
            say("sample volumes …")
            make_sample_volumes(self._volumes_dir, size_bytes=int(_VOLUME_BYTES_PER_SIZE * size))
        self._make_keys()
        self._make_dagster_home()
        for name in ("state", "backups"):
            (self.state_dir / name).mkdir(mode=0o700, exist_ok=True)
        secret = self.state_dir / "s3.secret"
        if not secret.exists():
            replace_durably(secret, self.s3.secret_access_key.encode())
        environment = self._environment(watched=monitoring)
        if monitoring:
            say("what watches it: Prometheus, Alertmanager, exporters …")
            servers = (self.postgres, self.qdrant, self.llm, self.app)
            self.monitoring.up(Watched(*servers, environment, self.litellm), say=say)
        replace_durably(self.state_dir / "environment.json", json.dumps(environment).encode())

    def down(self, *, keep_data: bool = False) -> None:
        """Stop every server; unless `keep_data`, delete the directory."""
        with ExitStack() as stack:
            # The last to be called is the first that was named.
            stack.callback(self.containers.remove)
            stack.callback(self.monitoring.down)
            for server in (
                *(self.postgres, self.s3, self.qdrant),
                *(self.llm, self.litellm, self.app, self.bugsink, self.suna),
            ):
                stack.callback(server.stop)
        if not keep_data:
            shutil.rmtree(self.state_dir, ignore_errors=True)

    def status(self) -> list[Service]:
        """What runs. A sandbox that was never up has nothing running."""
        return [
            _service(
                "postgresql", self.postgres, lambda: f"{self.postgres.host}:{self.postgres.port}"
            ),
            _service("s3", self.s3, lambda: self.s3.endpoint_url),
            _service("qdrant (stand-in)", self.qdrant, lambda: self.qdrant.url),
            _service("model (mock)", self.llm, lambda: self.llm.api_url),
            _service("litellm", self.litellm, lambda: self.litellm.api_url, optional=True),
            _service("application", self.app, lambda: self.app.url),
            _service("bugsink", self.bugsink, lambda: self.bugsink.url, optional=True),
            _service("front end (Node)", self.suna, lambda: self.suna.url, optional=True),
            *(
                Service(each.state_dir.name, each.pid is not None, each.url, optional=True)
                for each in self.monitoring.processes()
            ),
        ]

    def environment(self) -> dict[str, str]:
        """Variables for `onyx` and for Dagster.

        Raises:
            NotFoundError: the sandbox was never up.
        """
        path = self.state_dir / "environment.json"
        if not path.exists():
            raise NotFoundError(
                f"There is no sandbox in {self.state_dir}.", remedy="Run `onyx sandbox up`."
            )
        values: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return values

    @property
    def dagster_home(self) -> Path:
        return self.state_dir / "dagster_home"

    @property
    def _volumes_dir(self) -> Path:
        return self.state_dir / "volumes"

    def _environment(self, *, watched: bool) -> dict[str, str]:
        prometheus = self.monitoring.prometheus
        is_watched = watched or prometheus.pid is not None
        volumes = sorted(path for path in self._volumes_dir.iterdir() if path.is_dir())
        return {
            "ONYX_STATE_DIR": str(self.state_dir / "state"),
            "ONYX_HOST_NAME": "sandbox",
            # Its volumes are plain directories, whatever engine this machine has.
            "ONYX_DOCKER_HOST": "",
            "ONYX_BACKUP_DIR": str(self.state_dir / "backups"),
            "ONYX_OFFSITE_URL": f"s3://{self.s3.bucket}/onyx",
            "ONYX_S3_ENDPOINT_URL": self.s3.endpoint_url,
            "ONYX_S3_REGION": self.s3.region,
            "ONYX_S3_ACCESS_KEY_ID": self.s3.access_key_id,
            "ONYX_S3_SECRET_ACCESS_KEY_FILE": str(self.state_dir / "s3.secret"),
            "ONYX_RECIPIENTS_FILE": str(self.state_dir / "keys" / "recipients.json"),
            "ONYX_PRIVATE_KEY_FILE": str(self.state_dir / "keys" / "private.json"),
            "ONYX_SIGNING_KEY_FILE": str(self.state_dir / "keys" / "signing-key.json"),
            "ONYX_SIGNERS_FILE": str(self.state_dir / "keys" / "signers.json"),
            "ONYX_PG_HOST": self.postgres.host,
            "ONYX_PG_PORT": str(self.postgres.port),
            "ONYX_PG_USER": self.postgres.user,
            "ONYX_PG_PASSWORD_FILE": str(self.postgres.password_path),
            "ONYX_PG_DATABASES": ",".join(DATABASES),
            "ONYX_QDRANT_URL": self.qdrant.url,
            **({"ONYX_PROMETHEUS_URL": prometheus.url} if is_watched else {}),
            **self._error_environment(),
            **self._threshold_environment(),
            "ONYX_REHEARSALS": "true",
            "ONYX_VOLUMES": ",".join(f"{path.name}={path}" for path in volumes),
            "ONYX_REPORTS_DIR": str(self.state_dir / "reports"),
            **({"ONYX_PUBLIC_URL": self.monitoring.edge.tls_url} if is_watched else {}),
            "ONYX_LOAD_TEST_URL": self.app.url,
            "ONYX_LOAD_TEST_PROFILE": "quick",
            "ONYX_LOAD_TEST_CLEANUP_PATH": "/api/runs/{run}",
            "ONYX_LOAD_TEST_LLM": "mock model, fixed delays"
            + (", behind LiteLLM" if self.litellm.pid else ""),
            "ONYX_LOAD_TEST_SERVICES": ",".join(
                (
                    f"app=pidfile:{self.app.pid_path} metrics:{self.app.url}/metrics",
                    f"llm=pidfile:{self.llm.pid_path}",
                    *([f"litellm=pidfile:{self.litellm.pid_path}"] if self.litellm.pid else []),
                    f"pg=pidfile:{self.postgres.data_dir / 'postmaster.pid'}",
                    f"qdrant=pidfile:{self.qdrant.pid_path}",
                )
            ),
            "DAGSTER_HOME": str(self.dagster_home),
            "DAGSTER_PG_HOST": self.postgres.host,
            "DAGSTER_PG_PORT": str(self.postgres.port),
            "DAGSTER_PG_USER": self.postgres.user,
            "DAGSTER_PG_PASSWORD": self.postgres.password,
            "DAGSTER_PG_DB": DAGSTER_DATABASE,
        }

    def contain(self, say: Callable[[str], None] = lambda _: None) -> None:
        """What has limits has a container, where there is an engine."""
        if not self.containers.host:
            return
        say(
            f"In containers: {', '.join(LIMITS)}. Processes stay: Bugsink, the front end, what"
            " watches, and the product's API."
        )
        self.s3.container = self.containers.of("s3")
        self.postgres.container = self.containers.of("postgresql")
        self.qdrant.container = self.containers.of("qdrant")
        self.llm.container = self.containers.of("llm")
        self.litellm.container = self.containers.of("litellm")
        self.app.container = self.containers.of("onyx-core")
        self.monitoring.contain()

    def _threshold_environment(self) -> dict[str, str]:
        """A triage judges by the figures of the alerts."""
        told = self.monitoring.thresholds.model_dump_json(exclude_defaults=True)
        return {} if told == "{}" else {"ONYX_ALERT_THRESHOLDS": told}

    def _error_environment(self) -> dict[str, str]:
        """Of whoever reports errors and asks for them; nothing where no tracker runs."""
        if self.bugsink.pid is None:
            return {}
        return {
            "ONYX_SENTRY_DSN": self.bugsink.access.dsns["onyx"],
            "ONYX_SENTRY_ENVIRONMENT": "sandbox",
            "ONYX_ERROR_TRACKER_URL": self.bugsink.url,
            "ONYX_ERROR_TRACKER_TOKEN_FILE": str(self.bugsink.token_path),
        }

    def _start_suna(self, say: Callable[[str], None]) -> None:
        missing = suna_module.missing_programs()
        if missing:
            say(f"No front end: {list_text(missing)} is not installed.")
            return
        say("a front end in Node (its packages are installed the first time) …")
        self.suna.start(self.bugsink.access.dsns["suna"], self.bugsink.password)

    def start_app(
        self, *, litellm: bool = False, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """The application, and LiteLLM's proxy where it is wanted and does not run.

        Raises:
            OnyxError: one of them did not answer.
        """
        if litellm and self.litellm.pid is None:
            say("LiteLLM's proxy (installed the first time) …")
            self.litellm.start(self.llm.api_url)
            # It runs with the other way to the model.
            self.app.stop()
        tracked = self._error_environment()
        if tracked:
            tracked |= {
                "ONYX_STATE_DIR": str(self.state_dir / "app" / "state"),
                "ONYX_SENTRY_RELEASE": "onyx@1.4.2",
                # Of the sandbox: events have pseudonyms.
                "ONYX_ERROR_PSEUDONYM_KEY": self.bugsink.password,
            }
        is_behind = self.litellm.pid is not None
        self.app.start(
            self.postgres,
            self.qdrant.url,
            self.litellm.api_url if is_behind else self.llm.api_url,
            llm_key=self.litellm.master_key if is_behind else "",
            errors=tracked,
        )

    def _make_keys(self) -> None:
        folder = self.state_dir / "keys"
        if not folder.exists():
            folder.mkdir(mode=0o700)
            make_missing_keys(
                load_settings(
                    {
                        "recipients_file": folder / "recipients.json",
                        "private_key_file": folder / "private.json",
                        "signing_key_file": folder / "signing-key.json",
                        "signers_file": folder / "signers.json",
                    }
                ),
                "sandbox",
            )

    def _make_dagster_database(self) -> None:
        with self.postgres.connect() as connection:
            found = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", (DAGSTER_DATABASE,)
            ).fetchone()
            if found is None:
                name = sql.Identifier(DAGSTER_DATABASE)
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))

    def _make_dagster_home(self) -> None:
        """A home of its own with the project's own dagster.yaml."""
        self.dagster_home.mkdir(exist_ok=True)
        link = self.dagster_home / "dagster.yaml"
        if not link.is_symlink():
            link.symlink_to(_DAGSTER_YAML)


def default_state_dir() -> Path:
    """`.sandbox` here; for root, whose PostgreSQL runs as another user, only if that user can
    enter it, else a directory of the same name for this one under the temporary directory."""
    here = Path.cwd() / ".sandbox"
    if os.geteuid() != 0 or _all_may_enter(here.parent):
        return here
    mark = hashlib.sha256(str(here).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"onyx-sandbox-{mark}"


def _all_may_enter(directory: Path) -> bool:
    return all(
        path.stat().st_mode & stat.S_IXOTH for path in (directory, *directory.absolute().parents)
    )


def _service(
    name: str,
    server: PostgresServer | ServiceProcess,
    address: Callable[[], str],
    *,
    optional: bool = False,
) -> Service:
    try:
        running = server.pid is not None
        return Service(name, running, address() if running else "", optional)
    except (OnyxError, OSError):
        return Service(name, running=False, address="", optional=optional)
