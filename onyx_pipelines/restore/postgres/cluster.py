"""A throw-away PostgreSQL cluster: socket only, a superuser of its own, tuned for loading.

PostgreSQL refuses to run as root: then it runs as `postgres`, else as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from onyx_pipelines.errors import RestoreError
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget

SUPERUSER = "onyx_scratch"
PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_restore", "psql")
_PORT = 5432
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 10.0
# A socket's whole path may have 107 bytes.
_SOCKET_DIR_LIMIT = 90
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
    "max_connections": "30",
    "listen_addresses": "",
    "logging_collector": "off",
}


class ScratchCluster:
    """One cluster, from `start` to `remove`.

    Args:
        directory: a private one for it alone; the cluster is made below it.
        binaries: of the same or a newer major version than what is restored.
    """

    def __init__(self, directory: Path, binaries: Binaries) -> None:
        self._directory = directory
        self._binaries = binaries
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
        self._start()

    def remove(self) -> None:
        """Stop it and delete it; fine at any time."""
        if (self._data / "postmaster.pid").exists():
            self._spawn(["pg_ctl", "stop", "-D", str(self._data), "--wait", "--mode=immediate"])
        shutil.rmtree(self._data, ignore_errors=True)
        self._log.unlink(missing_ok=True)
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
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
            "initdb", f"--pgdata={self._data}", f"--username={SUPERUSER}", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip

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
