"""A throw-away PostgreSQL cluster: socket only, a superuser of its own, tuned for loading.

PostgreSQL refuses to run as root: then it runs as `postgres`, else as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from onyx_pipelines.errors import RestoreError
from onyx_pipelines.restore.tree_removal import discard_tree
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget

SUPERUSER = "onyx_scratch"
PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_restore", "psql")
_PORT = 5432
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 10.0
# A socket's whole path may have 107 bytes.
_SOCKET_DIR_LIMIT = 90
_CONNECTIONS = 30
# Data that is thrown away need not survive a power cut: what costs time is off, here and only here.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
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
    "logging_collector": "off",
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
        self._account = _unprivileged_account()
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
        path = self._data.with_name("tablespaces") / str(number)
        path.mkdir(mode=0o700, parents=True)
        path.parent.chmod(0o711)
        self._give(path)
        return str(path)

    def remove(self) -> None:
        """Stop it and delete it; fine at any time."""
        if (self._data / "postmaster.pid").exists():
            self._spawn(["pg_ctl", "stop", "-D", str(self._data), "--wait", "--mode=immediate"])
        discard_tree(self._data)
        discard_tree(self._data.with_name("tablespaces"))
        self._log.unlink(missing_ok=True)
        if self._sockets is not None:
            discard_tree(self._sockets)
            self._sockets = None

    @property
    def _data(self) -> Path:
        return self._directory / "cluster"

    @property
    def _log(self) -> Path:
        return self._directory / "cluster.log"

    def _make(self) -> None:
        self._sockets = self._directory / "sockets"
        if len(os.fsencode(self._sockets)) > _SOCKET_DIR_LIMIT:
            self._sockets = Path(tempfile.mkdtemp(prefix="onyx-pg-"))
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        self._data.mkdir(mode=0o700)
        self._log.touch(mode=0o600)
        for path in (self._sockets, self._data, self._log):
            self._give(path)
        if self._account is not None:
            # Only to pass through: what lies in it keeps its own owner and mode.
            self._directory.chmod(0o711)
        self._run(
            "initdb", f"--pgdata={self._data}", "--auth=trust",
            f"--username={self._needs.first_superuser}",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip

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
        path = self._data / "postgresql.auto.conf"
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
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run(
            "pg_ctl", "start", "-D", str(self._data), "--wait", f"--timeout={_START_TIMEOUT_S}",
            f"--log={self._log}", "-o", words,
        )  # fmt: skip

    def _run(self, *command: str) -> None:
        result = self._spawn(command)
        if result.returncode != 0:
            said = result.stdout.decode("utf-8", "replace").strip()[-1500:]
            raise RestoreError(
                f"{command[0]} of PostgreSQL {self._binaries.version} failed: {said}"
                f"\n{self._log_tail()}".rstrip(),
                remedy="See whether the scratch directory has room and the user"
                f" {self._account.pw_name if self._account else 'that runs this'} can enter it.",
            )

    def _spawn(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        identity: dict[str, Any] = {}
        if self._account is not None:
            identity = {
                "user": self._account.pw_uid,
                "group": self._account.pw_gid,
                "extra_groups": [],
            }
        return subprocess.run(
            [str(self._binaries.path(command[0])), *command[1:]],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            **identity,
        )

    def _give(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _log_tail(self, lines: int = 10) -> str:
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def stop_abandoned(directory: Path) -> None:
    """Stop the server of a cluster in `directory` that outlived whoever started it."""
    data = directory / "cluster"
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return
    if os.fsencode(data) not in command:
        return  # another process has that number by now
    # At once and without a checkpoint, as `pg_ctl stop --mode=immediate` does.
    os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Whom the server is to be, if we are root; None: ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RestoreError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody.",
        remedy="Run as an ordinary user, or create the user postgres.",
    )
