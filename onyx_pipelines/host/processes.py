"""Child programs: started, read as a stream, watched for a stall, and never left behind.

A stream ends only after its program ended well, so a short output is never taken for a whole one.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, cast

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import limit_text

_PIPE_BYTES = 1024 * 1024
_KEPT_LINES = 25
_LONGEST_LINE_BYTES = 8 * 1024
_TERMINATE_GRACE_S = 5.0
_MASK = "[secret]"


_FOR_ANY_PROGRAM: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|LANG|LC_.*|TZ"
)


def plain_environment(also: str = "(?!)") -> dict[str, str]:
    """Of this process's own, what any program needs; others' secrets are none of its business.

    Args:
        also: a pattern of names that this program needs besides.
    """
    wanted = re.compile(also)
    return {
        name: value
        for name, value in os.environ.items()
        if _FOR_ANY_PROGRAM.fullmatch(name) or wanted.fullmatch(name)
    }


class ProgramError(OnyxError):
    """A program such as `pg_restore` could not be started, failed, or stalled.

    `stderr_tail` holds its last lines without secrets; `exit_status` is None where it has none.

    Cause: it is not installed, is too old, or said why in its last lines, which are quoted.
    Remedy: install or mend it; `onyx doctor` lists the programs that are found.
    Transient: where it stalled or did not end in time.
    """

    code = "program"

    def __init__(
        self,
        what: str,
        *,
        remedy: str,
        transient: bool = False,
        stderr_tail: str = "",
        exit_status: int | None = None,
    ) -> None:
        super().__init__(what, remedy=remedy, transient=transient)
        self.stderr_tail = stderr_tail
        self.exit_status = exit_status


class EndedEarlyError(ProgramError):
    """A program ended well before it had read all of its input.

    Cause: the archive holds less than its length says, or the program gave up without a word.
    Remedy: `onyx verify ID --deep` tells whether the set is whole.
    """

    code = "program-ended-early"


class OutputStream:
    """What a program writes to its standard output."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdout: IO[bytes],
        stderr: _Tail,
        name: str,
        stall_timeout_s: float,
    ) -> None:
        self._process = process
        self._descriptor = stdout.fileno()
        self._stderr = stderr
        self._name = name
        self._stall_timeout_s = stall_timeout_s
        # A larger pipe means fewer changes between the two processes.
        with suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN | select.POLLHUP)

    def read(self, size: int = _PIPE_BYTES, /) -> bytes:
        """Up to `size` bytes; b"" only after the program ended with status 0.

        Raises:
            ProgramError: it ended otherwise, or wrote nothing for the stall timeout (transient).
        """
        if not self._poll.poll(self._stall_timeout_s * 1000):
            raise ProgramError(
                f"{self._name} wrote nothing for {limit_text(self._stall_timeout_s)}.",
                remedy="See whether its server hangs or is locked; ONYX_STALL_TIMEOUT_S sets the"
                " limit.",
                transient=True,
                stderr_tail=self._stderr.text(),
            )
        data = os.read(self._descriptor, size)
        if not data:
            _require_success(self._process, self._stderr, self._name, self._stall_timeout_s)
        return data

    def stderr_tail(self) -> str:
        """The last lines of the standard error of a program that has ended."""
        return self._stderr.text(wait=True)


class InputStream:
    """What a program reads from its standard input."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: IO[bytes],
        stderr: _Tail,
        name: str,
        stall_timeout_s: float,
    ) -> None:
        self._process = process
        self._stdin = stdin
        self._descriptor = stdin.fileno()
        self._stderr = stderr
        self._name = name
        self._stall_timeout_s = stall_timeout_s
        with suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(self._descriptor, False)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT | select.POLLERR)

    def write(self, data: bytes | memoryview, /) -> None:
        """All of it.

        Raises:
            ProgramError: it ended before, or read nothing for the stall timeout (transient).
        """
        rest = memoryview(data)
        while rest:
            if not self._poll.poll(self._stall_timeout_s * 1000):
                raise ProgramError(
                    f"{self._name} read nothing for {limit_text(self._stall_timeout_s)}.",
                    remedy="See whether its server hangs or is locked.",
                    transient=True,
                    stderr_tail=self._stderr.text(),
                )
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self.finish()
                raise EndedEarlyError(
                    f"{self._name} ended before it had read everything.",
                    remedy="Its message says why.",
                    stderr_tail=self._stderr.text(wait=True),
                ) from None

    def finish(self) -> None:
        """End the input and wait for the program.

        Raises:
            ProgramError: it ended with another status than 0, or not within the stall timeout.
        """
        with suppress(BrokenPipeError):
            self._stdin.close()
        _require_success(self._process, self._stderr, self._name, self._stall_timeout_s)


class _Tail:
    """Drains a stream to its end (a full pipe would block its writer) and keeps the last lines."""

    def __init__(self, stream: IO[bytes], secrets: Sequence[str]) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()
        self._secrets = [secret for secret in secrets if secret]
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(_LONGEST_LINE_BYTES):
                with self._lock:
                    self._lines.append(line.decode("utf-8", "replace").rstrip())

    def ended(self, timeout_s: float) -> bool:
        """Whether every holder of the stream has closed it, at the latest after `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def text(self, *, wait: bool = False) -> str:
        if wait:
            self.ended(1)
        with self._lock:
            text = "\n".join(self._lines)
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text


def _require_success(
    process: subprocess.Popen[bytes], stderr: _Tail, name: str, timeout_s: float
) -> None:
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise ProgramError(
            f"{name} closed its output and did not end.",
            remedy="See whether its server hangs.",
            transient=True,
            stderr_tail=stderr.text(),
        ) from None
    if status != 0:
        tail = stderr.text(wait=True)
        ended = f"was killed by signal {-status}" if status < 0 else f"failed ({status})"
        raise ProgramError(
            f"{name} {ended}: {tail or 'it said nothing'}",
            remedy="Its message says why.",
            stderr_tail=tail,
            exit_status=status,
        )


@contextmanager
def output_of(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stall_timeout_s: float,
    secrets: Sequence[str] = (),
) -> Iterator[OutputStream]:
    """Run a program and read its output; it is killed if the block ends before it does.

    It gets no input and a session of its own. If this process is killed, the program ends at its
    next write, by SIGPIPE.

    Args:
        environment: all of it; secrets belong here, not into the command.
        secrets: values that are masked in what it says.

    Raises:
        ProgramError: it cannot be started; and whatever `OutputStream.read` raises.
    """
    with _program(command, environment, secrets, stdin=False) as (process, tail, name):
        yield OutputStream(process, cast(IO[bytes], process.stdout), tail, name, stall_timeout_s)


@contextmanager
def input_to(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stall_timeout_s: float,
    secrets: Sequence[str] = (),
) -> Iterator[InputStream]:
    """Run a program and write its input; it is killed if the block ends before it does.

    What it writes to its standard output is lost. `InputStream.finish` belongs in the block.

    Raises:
        ProgramError: it cannot be started; and whatever `InputStream` raises.
    """
    with _program(command, environment, secrets, stdin=True) as (process, tail, name):
        yield InputStream(process, cast(IO[bytes], process.stdin), tail, name, stall_timeout_s)


@contextmanager
def _program(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    secrets: Sequence[str],
    *,
    stdin: bool,
) -> Iterator[tuple[subprocess.Popen[bytes], _Tail, str]]:
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if stdin else subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramError(
            f"{command[0]} cannot be started ({error.strerror}).",
            remedy="Install it, or set the variable that names its directory.",
        ) from None
    tail = _Tail(cast(IO[bytes], process.stderr), secrets)
    try:
        yield process, tail, Path(command[0]).name
    finally:
        end_group(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        if not tail.ended(1):
            # A child of its own holds the stream, so the group still exists.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            tail.ended(1)


def text_of(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 30,
    secrets: Sequence[str] = (),
    undecodable: str = "replace",
    with_stderr: bool = False,
) -> str:
    """The whole standard output of a short program.

    Args:
        undecodable: what becomes of bytes that are no UTF-8, as `bytes.decode` calls it.
        with_stderr: the last lines of its standard error as well.

    Raises:
        ProgramError: it cannot be started, failed, or was not done in time.
    """
    pieces = []
    deadline = time.monotonic() + timeout_s
    with output_of(
        command,
        environment=os.environ if environment is None else environment,
        stall_timeout_s=timeout_s,
        secrets=secrets,
    ) as output:
        while data := output.read():
            pieces.append(data)
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"{Path(command[0]).name} was not done after {limit_text(timeout_s)}.",
                    remedy="See whether its server hangs.",
                    transient=True,
                )
        said = output.stderr_tail() if with_stderr else ""
    return b"".join(pieces).decode("utf-8", undecodable) + said


def end_group(
    process: subprocess.Popen[bytes],
    first: signal.Signals = signal.SIGTERM,
    *,
    grace_s: float | None = None,
) -> None:
    """End a child that has a session of its own, with all that it started: by this signal, and by
    SIGKILL what has not ended within `grace_s`. Fine if it has ended."""
    for number in (first, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERMINATE_GRACE_S if grace_s is None else grace_s)


def dying_with_us() -> list[str | Path]:
    """What to put before a command that must not go on when we are killed (kill -9); nothing where
    this host has no setpriv."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
