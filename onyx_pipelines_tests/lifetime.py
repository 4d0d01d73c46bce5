"""What a session of tests starts and writes ends with it, also after `kill -9` of pytest.

Everything lies in one directory, which stands in the environment of every process that a test
starts. A guard, which is no part of pytest's process group, waits for pytest's end, ends all
processes that were told of the directory, and deletes it. What a killed guard left, the next
session's guard ends.

The directory is in memory where there is room: who makes and deletes thousands of small files in a
minute waits for ext4, which uses no inode again until its deletion is on the disk, and looks at
each of those for each new file. That is a tenth of the suite's CPU.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PREFIX = "onyx-test-"
SESSION_VARIABLE = "TESTS_SESSION_DIRECTORY"
# SeaweedFS takes 15 s to end when it is asked to.
_GRACE_S = 3.0
_LONGEST_S = 30.0
_REPORT_LIMIT = 20
_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 6 << 30
_guards: dict[pytest.Config, subprocess.Popen[str]] = {}


def begin_session(config: pytest.Config) -> None:
    """Before pytest makes its own directory; a worker is part of its controller's session."""
    # Hundreds of processes import the same code, and pytest's own rewriting takes half a minute.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if hasattr(config, "workerinput"):
        return
    guard = subprocess.Popen(
        [sys.executable, "-m", __name__, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        start_new_session=True,
    )
    assert guard.stdout is not None
    directory = guard.stdout.readline().rstrip("\n")
    assert directory, "The guard of the session did not start; its message is above."
    _guards[config] = guard
    os.environ |= {SESSION_VARIABLE: directory, "TMPDIR": f"{directory}/tmp"}
    tempfile.tempdir = None
    config.option.basetemp = config.option.basetemp or f"{directory}/pytest"


def end_session(config: pytest.Config) -> None:
    """End and delete all that is left, and name the processes that were."""
    guard = _guards.pop(config, None)
    if guard is not None:
        left, _ = guard.communicate()
        for command in left.splitlines():
            print(f"Left behind by the tests, ended now: {command}", file=sys.stderr)


def session_directory() -> Path:
    """The same for all workers of a session; other users may enter it."""
    return Path(os.environ[SESSION_VARIABLE])


def disk_of(directory: Path) -> Path:
    """What a session keeps on a disk, for who counts the blocks that files take: in memory, holes
    and copies take others."""
    return Path("/var/tmp") / directory.name


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Excludes the session's other workers from the same block."""
    with (session_directory() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def processes_of(directory: Path) -> dict[int, str]:
    """Command lines of the living processes that were told of a session's directory."""
    found = {}
    for entry in Path("/proc").iterdir():
        # One that ended, or is another user's.
        with suppress(OSError):
            if entry.name.isdigit() and os.fsencode(directory) in (entry / "environ").read_bytes():
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = command.decode(errors="replace").strip()
    return found


def _guard(pytest_pid: int) -> None:
    """Until pytest asks for the end, or has ended."""
    _delete_abandoned()
    directory = _make_directory()
    print(directory, flush=True)
    with suppress(ProcessLookupError):
        pytest_ended = os.pidfd_open(pytest_pid)
        # Another process may have got the number of one that has ended.
        if os.getppid() == pytest_pid:
            select.select([sys.stdin, pytest_ended], [], [])
    left = _end_processes(directory)
    _delete(directory)
    with suppress(BrokenPipeError):
        print(*left[:_REPORT_LIMIT], sep="\n", end="", flush=True)


def _make_directory() -> Path:
    """Locked by this process for as long as it lives, before it has its name."""
    place = _MEMORY if _is_as_good_as_a_disk(_MEMORY) else None
    hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place))
    hidden.chmod(0o755)
    fcntl.flock(os.open(hidden, os.O_RDONLY), fcntl.LOCK_EX)
    (hidden / "tmp").mkdir()
    (hidden / "tmp").chmod(0o1777)
    return hidden.rename(hidden.with_name(hidden.name.removeprefix(".")))


def _is_as_good_as_a_disk(place: Path) -> bool:
    """Whether it has room, runs programs, and keeps attributes (Linux 6.6)."""
    try:
        room = os.statvfs(place)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            os.setxattr(folder, "user.onyx", b"kept")
    except OSError:
        return False
    return room.f_bavail * room.f_frsize >= _NEEDED_BYTES and not room.f_flag & os.ST_NOEXEC


def _delete_abandoned() -> None:
    found = (place.glob(f"{PREFIX}*") for place in (Path(tempfile.gettempdir()), _MEMORY))
    for directory in chain.from_iterable(found):
        with suppress(OSError):
            if directory.stat().st_uid != os.getuid():
                continue
            lock = os.open(directory, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_processes(directory)
                _delete(directory)
            finally:
                os.close(lock)


def _end_processes(directory: Path) -> list[str]:
    asked: dict[int, str] = {}
    started = time.monotonic()
    while (found := processes_of(directory)) and time.monotonic() < started + _LONGEST_S:
        impatient = time.monotonic() > started + _GRACE_S
        for pid in found if impatient else found.keys() - asked.keys():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if impatient else signal.SIGTERM)
        asked |= found
        time.sleep(0.05)
    return list(asked.values())


def _delete(directory: Path) -> None:
    from onyx_pipelines.sandbox.s3_server import remove_sockets

    _unmount_below(directory)
    _delete_control_groups(directory.name)
    # Not by Path: some tests make trees that are deeper than a path may be long.
    for folder, _, files in os.walk(directory):
        if "s3-ports.json" in files:
            remove_sockets(Path(folder))
    shutil.rmtree(disk_of(directory), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _unmount_below(directory: Path) -> None:
    """What a test or an engine had mounted: nothing is to be deleted through a mount."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    points = [line.split(" ")[4] for line in lines]
    for point in reversed(points):
        if point.startswith(f"{directory}/"):
            name = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
            subprocess.run(["umount", "--lazy", name], stderr=subprocess.DEVNULL, check=False)


def _delete_control_groups(name: str) -> None:
    """Of the containers of an engine that was killed: empty, and in each hierarchy."""
    for top in [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]:
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


if __name__ == "__main__":
    _guard(int(sys.argv[1]))
