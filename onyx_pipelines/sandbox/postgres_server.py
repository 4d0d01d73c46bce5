"""A real PostgreSQL for the sandbox and the tests: one cluster in one directory, on loopback.

It outlives the process that started it; `PostgresServer.attach` finds it again from another one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import psycopg

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.host.background import started_ticks, tail_of
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.sandbox.containers.services import Contained
from onyx_pipelines.sandbox.description_file import DescriptionFile
from onyx_pipelines.sandbox.ports import HOST, free_port, port_again
from onyx_pipelines.sandbox.service_process import Started
from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, Binaries, find_binaries
from onyx_pipelines.sources.postgres.server_process import THROWAWAY_OPTIONS, ServerProcess

_START_TIMEOUT_S = 60.0
_OPTIONS = {
    **THROWAWAY_OPTIONS,
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "max_connections": "60",
    "listen_addresses": HOST,
    # A socket's path may have 107 bytes only, and a state directory is often longer.
    "unix_socket_directories": "",
}


@dataclass(frozen=True)
class _Description:
    """Stands in `postgres.json`."""

    port: int
    user: str
    password: str
    bindir: str


class PostgresServer(Started):
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
        self._server = ServerProcess(
            state_dir / "data",
            state_dir / "postgres.log",
            environment=environment,
        )
        self._description = DescriptionFile(state_dir / "postgres.json", _Description, "PostgreSQL")

    @classmethod
    def attach(cls, state_dir: Path) -> Self:
        """The server that was started in `state_dir`, running or not.

        Raises:
            NotFoundError: none was ever started there.
        """
        server = cls(state_dir)
        server._description.read()
        return server

    host = HOST
    user = "postgres"
    container: Contained | None = None

    @property
    def port(self) -> int:
        return self._description.read().port

    @property
    def password(self) -> str:
        return self._description.read().password

    @property
    def password_path(self) -> Path:
        """A file with the password alone, for ONYX_PG_PASSWORD_FILE."""
        return self._state / "postgres.password"

    @property
    def data_dir(self) -> Path:
        return self._server.data_dir

    @property
    def log_path(self) -> Path:
        return self._server.log_path

    @property
    def pid(self) -> int | None:
        """Of the running server, or None."""
        return self._server.pid

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection:
        """An autocommit connection as superuser."""
        return psycopg.connect(
            host=HOST,
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
        known = self._description.find()
        if known is None:
            self._make_cluster()
        elif self._wanted_port is None:
            self._description.write(replace(known, port=port_again(known.port)))
        options = {**self._options, "port": str(self.port)}
        if self.container is None:
            self._server.start(self._programs, options)
        else:
            self._start_in(self.container, options)
        return self

    def stop(self) -> None:
        """Stop it; fine if it does not run."""
        if self.pid is not None:
            self._server.stop(self._programs, "fast")

    def _start_in(self, container: Contained, options: Mapping[str, str]) -> None:
        self.log_path.touch(mode=0o600)
        self._server.give(self.log_path)
        account = self._server.account
        pid = container.start(
            [
                *(self._programs.path("postgres"), "-D", self.data_dir),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            {},
            log=self.log_path,
            user=f"{account.pw_uid}:{account.pw_gid}" if account else "",
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self.connect(connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or started_ticks(pid) is None:
                    raise OnyxError(
                        f"PostgreSQL did not answer: {tail_of(self.log_path, 12)}",
                        remedy=f"See {self.log_path}.",
                    ) from None
                time.sleep(0.1)
            else:
                return

    def _make_cluster(self) -> None:
        shutil.rmtree(self.data_dir, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        replace_durably(self.password_path, password.encode())
        self._server.give(self.password_path)
        self._server.make(
            self._programs,
            f"--username={self.user}",
            f"--pwfile={self.password_path}",
            "--auth=scram-sha-256",
            f"--locale={self._locale}",
        )
        os.chown(self.password_path, os.geteuid(), os.getegid())
        port = self._wanted_port or free_port()
        bindir = str(self._programs.bindir)
        self._description.write(_Description(port, self.user, password, bindir))

    @cached_property
    def _programs(self) -> Binaries:
        if self._binaries is not None:
            return self._binaries
        known = self._description.find()
        bindir = Path(known.bindir) if known else None
        return find_binaries(0, bindir=bindir, programs=SERVER_PROGRAMS)

    def _require_reachable(self) -> None:
        if not self._server.can_enter(self._state):
            raise OnyxError(
                f"The user {self._server.user} cannot reach {self._state}, and PostgreSQL does"
                " not run as root.",
                remedy="Choose a directory that others may enter, or run as an ordinary user.",
            )
