"""A real PostgreSQL for the sandbox and the tests: one cluster in one directory, on loopback.

It outlives the process that started it; `PostgresServer.attach` finds it again from another one.
PostgreSQL refuses to run as root: then it runs as `postgres`, else as `nobody`.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from onyx_pipelines.errors import NotFoundError, OnyxError
from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, Binaries, find_binaries

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 180
# Throw-away data: nothing here needs to survive a power cut.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "max_connections": "60",
    "listen_addresses": _HOST,
    # A socket's path may have 107 bytes only, and a state directory is often longer.
    "unix_socket_directories": "",
    "logging_collector": "off",
}


@dataclass(frozen=True)
class _Description:
    """What another process needs to know; stands in `postgres.json`, mode 0600."""

    port: int
    user: str
    password: str
    bindir: str


class PostgresServer:
    """One PostgreSQL server with a superuser `postgres` and a generated password.

    Args:
        options: configuration parameters besides those of every such server.
        environment: variables of the server besides ours.
    """

    def __init__(
        self,
        state_dir: Path,
        port: int | None = None,
        *,
        binaries: Binaries | None = None,
        locale: str = "C",
        options: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._state = state_dir
        self._wanted_port = port or None
        self._binaries = binaries
        self._locale = locale
        self._options = {**_OPTIONS, **(options or {})}
        self._environment = {**os.environ, **environment} if environment else None

    @classmethod
    def attach(cls, state_dir: Path) -> Self:
        """The server that was started in `state_dir`, running or not.

        Raises:
            NotFoundError: none was ever started there.
        """
        server = cls(state_dir)
        if not server._description_path.exists():
            raise NotFoundError(
                f"No PostgreSQL was started in {state_dir}.", remedy="Run `onyx sandbox up`."
            )
        return server

    host = _HOST
    user = "postgres"

    @property
    def port(self) -> int:
        return self._description.port

    @property
    def password(self) -> str:
        return self._description.password

    @property
    def password_path(self) -> Path:
        """A file with the password alone, for ONYX_PG_PASSWORD_FILE."""
        return self._state / "postgres.password"

    @property
    def data_dir(self) -> Path:
        return self._state / "data"

    @property
    def log_path(self) -> Path:
        return self._state / "postgres.log"

    @property
    def pid(self) -> int | None:
        """Of the running server, or None."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            pid = int(lines[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return None
        return pid if os.fsencode(self.data_dir) in command else None

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection:
        """An autocommit connection as superuser."""
        return psycopg.connect(
            host=_HOST,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            autocommit=True,
            client_encoding="UTF8",
            **options,
        )

    def start(self) -> Self:
        """Make the cluster if need be, and start it; returns when it answers.

        Raises:
            OnyxError: no binaries, a directory that its user cannot reach, or it did not answer;
                ends with the log's tail.
        """
        if self.pid is not None:
            return self
        self._state.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._require_reachable()
        if not self._description_path.exists():
            self._make_cluster()
        elif self._wanted_port is None and not _is_free(self.port):
            self._describe(replace(self._description, port=_free_port()))
        settings = {**self._options, "port": self.port}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = self.log_path
        log.touch(mode=0o600)
        self._give(log)
        arguments = ["start", "--wait", f"--timeout={_START_TIMEOUT_S}", f"--log={log}"]
        self._run("pg_ctl", "-D", str(self.data_dir), *arguments, "-o", options)
        return self

    def stop(self) -> None:
        """Stop it; fine if it does not run."""
        if self.pid is not None:
            self._run("pg_ctl", "-D", str(self.data_dir), "stop", "--wait", "--mode=fast")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _make_cluster(self) -> None:
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(mode=0o700)
        self._give(self.data_dir)
        password = secrets.token_urlsafe(24)
        _write_private(self.password_path, password)
        self._give(self.password_path)
        self._run(
            "initdb",
            f"--pgdata={self.data_dir}",
            f"--username={self.user}",
            f"--pwfile={self.password_path}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={self._locale}",
            "--no-sync",
        )
        if self._account is not None:
            os.chown(self.password_path, 0, 0)
        port = self._wanted_port or _free_port()
        self._describe(_Description(port, self.user, password, str(self._programs.bindir)))

    def _describe(self, description: _Description) -> None:
        _write_private(self._description_path, json.dumps(asdict(description)))

    @cached_property
    def _programs(self) -> Binaries:
        if self._binaries is not None:
            return self._binaries
        bindir = Path(self._description.bindir) if self._description_path.exists() else None
        return find_binaries(0, bindir=bindir, programs=SERVER_PROGRAMS)

    @property
    def _description_path(self) -> Path:
        return self._state / "postgres.json"

    @property
    def _description(self) -> _Description:
        return _Description(**json.loads(self._description_path.read_text(encoding="utf-8")))

    @cached_property
    def _account(self) -> pwd.struct_passwd | None:
        """Whom to be instead of root."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise OnyxError(
            "PostgreSQL does not run as root, and there is no user postgres or nobody.",
            remedy="Run as an ordinary user, or create the user postgres.",
        )

    def _give(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _require_reachable(self) -> None:
        if self._account is None:
            return
        probe = self._spawn(["test", "-x", str(self._state)])
        if probe.returncode != 0:
            raise OnyxError(
                f"The user {self._account.pw_name} cannot reach {self._state}, and PostgreSQL does"
                " not run as root.",
                remedy="Choose a directory that others may enter, or run as an ordinary user.",
            )

    def _run(self, program: str, *arguments: str) -> None:
        result = self._spawn([str(self._programs.path(program)), *arguments])
        if result.returncode != 0:
            said = result.stdout.decode("utf-8", "replace")[-2000:]
            raise OnyxError(
                f"{program} failed ({result.returncode}): {said}\n{self._log_tail()}",
                remedy=f"See {self.log_path}.",
            )

    def _spawn(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        account = self._account
        identity: dict[str, Any] = {}
        if account is not None:
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return subprocess.run(
            list(command),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=self._environment,
            start_new_session=True,
            **identity,
        )

    def _log_tail(self, lines: int = 12) -> str:
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def _is_free(port: int) -> bool:
    try:
        # reuse_port is off: a port that somebody listens on is refused.
        socket.create_server((_HOST, port)).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
