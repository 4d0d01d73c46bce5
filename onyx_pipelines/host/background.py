"""A process that outlives whoever started it, found again by the file with its process id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_STOP_GRACE_S: Final = 15.0
_DIES_WITHIN_S: Final = 15.0


class BackgroundProcess:
    """One process of `state_dir`, which holds `<name>.pid` and `<name>.log`.

    It is the leader of a session of its own; signals go to all that it started.

    Args:
        stop_grace_s: how long it may take to end by itself when it is told to.
    """

    def __init__(self, state_dir: Path, name: str, *, stop_grace_s: float = _STOP_GRACE_S) -> None:
        self.state_dir = state_dir
        self.name = name
        self._stop_grace_s = stop_grace_s
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid_path(self) -> Path:
        return self.state_dir / f"{self.name}.pid"

    @property
    def log_path(self) -> Path:
        return self.state_dir / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Of the running process, or None; another process that got its number is none."""
        with suppress(OSError, ValueError):
            pid, started = self.pid_path.read_text(encoding="ascii").split()
            return int(pid) if started_ticks(int(pid)) == int(started) else None
        return None

    @property
    def is_alive(self) -> bool:
        return self.pid is not None if self._child is None else self._child.poll() is None

    def spawn(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
    ) -> None:
        """Start it, with its output at the end of the log.

        Args:
            environment: besides this process's own; secrets belong here.

        Raises:
            OSError: it cannot be started.
        """
        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **environment},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._note(self._child.pid)

    def adopt(self, pid: int) -> None:
        """A process that somebody else has started, the leader of a session too, is this one."""
        self._child = None
        self._note(pid)

    def _note(self, pid: int) -> None:
        self.pid_path.write_text(f"{pid} {started_ticks(pid)}", encoding="ascii")

    def stop(self) -> None:
        """Stop it, from whichever process; fine if it does not run."""
        self._end(signal.SIGTERM, signal.SIGKILL)
        self.pid_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def log_tail(self) -> str:
        return tail_of(self.log_path, 12)

    def _end(self, *signals: signal.Signals) -> None:
        if self._child is not None and self.pid not in (None, self._child.pid):
            # Somebody else has ended ours since, and started another one.
            self._child.poll()
            self._child = None
        pid = self._child.pid if self._child is not None else self.pid
        for number in signals:
            if pid is None or not self.is_alive:
                break
            with suppress(ProcessLookupError):
                os.killpg(pid, number)
            self._wait(self._stop_grace_s if number == signal.SIGTERM else _DIES_WITHIN_S)
        if self._child is not None:
            # Whoever ended it, its parent must ask for its exit status.
            self._child.wait(_DIES_WITHIN_S)
            self._child = None

    def _wait(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.is_alive and time.monotonic() < deadline:
            time.sleep(0.02)


def started_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22); with its number it
    names one process for good. None: there is none, or it only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def tail_of(log: Path, lines: int) -> str:
    """The last lines of a log; nothing of one that is not there."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
