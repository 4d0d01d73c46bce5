"""A throw-away PostgreSQL cluster: socket only, a superuser of its own, tuned for loading."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.processes import ProgramError
from onyx_pipelines.host.tree_removal import discard_tree
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.server_process import (
    THROWAWAY_OPTIONS,
    ServerProcess,
    stop_at_once,
)
from onyx_pipelines.sources.postgres.target import PostgresTarget

SUPERUSER = "onyx_scratch"
PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_restore", "psql")
_PORT = 5432
# A socket's whole path may have 107 bytes.
_SOCKET_DIR_LIMIT = 90
_CONNECTIONS = 30
_OPTIONS = {
    **THROWAWAY_OPTIONS,
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "archive_mode": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_connections": str(_CONNECTIONS),
    "listen_addresses": "",
}


@dataclass(frozen=True)
class ClusterNeeds:
    """What the databases of a set need of the cluster that they are restored into.

    Args:
        first_superuser: the name of the one that it is made with: only its grants need no right.
        relations: tables and indexes of the largest database, which one transaction locks.
        libraries: to be loaded at the start, as far as this host has them.
        settings: parameters of these libraries.
    """

    first_superuser: str = SUPERUSER
    relations: int = 0
    libraries: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


class ScratchCluster:
    """One cluster, from `start` to `remove`.

    Args:
        directory: a private one for it alone; the cluster is made below it.
        binaries: of the same or a newer major version than what is restored.
    """

    def __init__(
        self, directory: Path, binaries: Binaries, needs: ClusterNeeds | None = None
    ) -> None:
        self._directory = directory
        self._binaries = binaries
        self._needs = needs or ClusterNeeds()
        self._server = ServerProcess(_data_dir(directory), directory / "cluster.log")
        self._sockets: Path | None = None

    @property
    def target(self) -> PostgresTarget:
        """How to connect; there is no other way in than the socket."""
        if self._sockets is None:
            raise RestoreError("The scratch cluster is not running.", remedy="Start it first.")
        return PostgresTarget(str(self._sockets), _PORT, SUPERUSER, SecretStr(""), "disable")

    def start(self) -> None:
        """Make and start it.

        Raises:
            RestoreError: it did not start; ends with its log's last lines.
        """
        with _as_restore_errors():
            self._make()
        libraries = [name for name in self._needs.libraries if self._has_library(name)]
        self._configure(libraries)
        try:
            self._start()
        except RestoreError:
            if not libraries:
                raise
            # One that does not load here is one that this host lacks.
            self._configure([])
            self._start()
        self._add_superuser()

    def directory_of_tablespace(self, number: int) -> str:
        """An empty one of the server's own: never where production has its data."""
        path = self._tablespaces / str(number)
        path.mkdir(mode=0o700, parents=True)
        path.parent.chmod(0o711)
        self._server.give(path)
        return str(path)

    def remove(self) -> None:
        """Stop it and delete it; fine at any time."""
        stop_at_once(self._server.data_dir)
        discard_tree(self._server.data_dir)
        discard_tree(self._tablespaces)
        self._server.log_path.unlink(missing_ok=True)
        if self._sockets is not None:
            discard_tree(self._sockets)
            self._sockets = None

    @property
    def _tablespaces(self) -> Path:
        return self._directory / "tablespaces"

    def _make(self) -> None:
        self._sockets = self._directory / "sockets"
        if len(os.fsencode(self._sockets)) > _SOCKET_DIR_LIMIT:
            self._sockets = Path(tempfile.mkdtemp(prefix="onyx-pg-"))
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        self._server.give(self._sockets)
        if self._server.account is not None:
            # Only to pass through: what lies in it keeps its own owner and mode.
            self._directory.chmod(0o711)
        superuser = self._needs.first_superuser
        self._server.make(self._binaries, "--auth=trust", f"--username={superuser}", "--locale=C")

    def _configure(self, libraries: Sequence[str]) -> None:
        """In a file, since values may be anything. The later ones count."""
        options = {
            **(self._needs.settings if libraries else {}),
            "shared_preload_libraries": ", ".join(f'"{name}"' for name in libraries),
            "max_locks_per_transaction": str(64 + 2 * self._needs.relations // _CONNECTIONS),
        }
        if libraries:
            # What they do in the background they would do to scratch: jobs of pg_cron would run.
            options["max_worker_processes"] = "0"
        lines = [
            "{} = '{}'\n".format(name, value.replace("\\", "\\\\").replace("'", "''"))
            for name, value in options.items()
        ]
        path = self._server.data_dir / "postgresql.auto.conf"
        path.write_text("".join(lines), encoding="utf-8")

    def _has_library(self, name: str) -> bool:
        places = ("lib", "lib/postgresql", "lib64", "lib64/postgresql")
        prefix = self._binaries.bindir.parent
        return any((prefix / place / f"{name}.so").exists() for place in places)

    def _add_superuser(self) -> None:
        """One of ours beside the first, whose rights the set's script of roles may change."""
        first = self._needs.first_superuser
        if first == SUPERUSER:
            return
        with replace(self.target, user=first).connect("postgres") as connection:
            connection.execute(f"CREATE ROLE {SUPERUSER} SUPERUSER LOGIN".encode())

    def _start(self) -> None:
        options = {**_OPTIONS, "port": str(_PORT), "unix_socket_directories": str(self._sockets)}
        with _as_restore_errors():
            self._server.start(self._binaries, options)


def stop_abandoned(directory: Path) -> None:
    """Stop the server of a cluster in `directory` that outlived whoever started it."""
    stop_at_once(_data_dir(directory))


def _data_dir(directory: Path) -> Path:
    return directory / "cluster"


@contextmanager
def _as_restore_errors() -> Iterator[None]:
    try:
        yield
    except ProgramError as error:
        raise RestoreError(error.what, remedy=error.remedy) from None
