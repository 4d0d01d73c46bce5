"""PostgreSQL's own programs for a cluster in a directory: made, started, stopped.

PostgreSQL refuses to run as root: then it runs as `postgres`, else as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from onyx_pipelines.host.background import started_ticks, tail_of
from onyx_pipelines.host.processes import ProgramError, plain_environment
from onyx_pipelines.sources.postgres.binaries import Binaries

_START_TIMEOUT_S = 180
_STOP_TIMEOUT_S = 30.0
# Throw-away data need not survive a power cut: what costs time is off.
THROWAWAY_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "logging_collector": "off",
}


class ServerProcess:
    """The server of the cluster in `data_dir`, which outlives whoever starts it.

    Args:
        environment: of the server, besides what any program needs of this process's own: other
            services' secrets are none of its business.
    """

    def __init__(
        self, data_dir: Path, log_path: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.log_path = log_path
        self._environment = {**plain_environment(), **(environment or {})}

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        """Whom the server runs as, where we are root; None: as ourselves."""
        return _unprivileged_account()

    @property
    def user(self) -> str:
        """That user's name, for people."""
        return self.account.pw_name if self.account else "that runs this"

    @property
    def pid(self) -> int | None:
        """Of the running server, or None."""
        return _pid_of(self.data_dir)

    def give(self, path: Path) -> None:
        """To the user that the server runs as."""
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def can_enter(self, directory: Path) -> bool:
        """Whether the user that the server runs as can."""
        return self.account is None or self.run(["test", "-x", str(directory)]).returncode == 0

    def make(self, binaries: Binaries, *options: str) -> None:
        """Make the cluster with initdb's `options`.

        Raises:
            ProgramError: it failed; ends with what it said.
        """
        self.data_dir.mkdir(mode=0o700)
        self.give(self.data_dir)
        self._program(
            binaries, "initdb", f"--pgdata={self.data_dir}", "--encoding=UTF8", "--no-sync",
            *options,
        )  # fmt: skip

    def start(self, binaries: Binaries, options: Mapping[str, str]) -> None:
        """Returns when it answers.

        Raises:
            ProgramError: it does not; ends with its log's last lines.
        """
        self.log_path.touch(mode=0o600)
        self.give(self.log_path)
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._program(
            binaries, "pg_ctl", "start", "-D", str(self.data_dir), "--wait",
            f"--timeout={_START_TIMEOUT_S}", f"--log={self.log_path}", "-o", words,
        )  # fmt: skip

    def stop(self, binaries: Binaries, mode: str) -> None:
        """Fine if it does not run. `mode`: of pg_ctl, "fast" or "immediate".

        Raises:
            ProgramError: it does not stop.
        """
        if self.pid is not None:
            data_dir = str(self.data_dir)
            self._program(binaries, "pg_ctl", "stop", "-D", data_dir, "--wait", f"--mode={mode}")

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """A command as the user that the server runs as."""
        identity: dict[str, Any] = {}
        if self.account is not None:
            identity = {
                "user": self.account.pw_uid,
                "group": self.account.pw_gid,
                "extra_groups": [],
            }
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

    def _program(self, binaries: Binaries, name: str, *arguments: str) -> None:
        done = self.run([str(binaries.path(name)), *arguments])
        if done.returncode != 0:
            said = done.stdout.decode("utf-8", "replace").strip()[-2000:]
            raise ProgramError(
                f"{name} of PostgreSQL {binaries.version} failed ({done.returncode}): {said}"
                f"\n{tail_of(self.log_path, 12)}".rstrip(),
                remedy=f"See whether {self.data_dir.parent} has room, and the user"
                f" {self.user} can enter it.",
            )


def stop_at_once(data_dir: Path) -> None:
    """Without a checkpoint, as `pg_ctl stop --mode=immediate` does; fine if it does not run."""
    pid = _pid_of(data_dir)
    if pid is None:
        return
    os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while started_ticks(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.02)


def _pid_of(data_dir: Path) -> int | None:
    try:
        pid = int((data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    # Another process may have that number by now.
    return pid if os.fsencode(data_dir) in command else None


def _unprivileged_account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ProgramError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody.",
        remedy="Run as an ordinary user, or create the user postgres.",
    )
