"""Who delivers from a folder, where services of Node put events too: those have no flock.

A file says who: host, process, and a word of its own. Its holder makes it anew or touches it
(deploy/suna/errors/lease.mjs); one that is old, or of a process that has ended, is nobody's.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# Longer than a pass of Python's delivery, which does not touch it.
_STALE_AFTER_S: Final = 20.0


@contextmanager
def leased(path: Path) -> Iterator[bool]:
    """Whether it is ours while the block runs. For who excludes other processes of Python already.

    Raises:
        OSError: it cannot be written.
    """
    if _is_held(path):
        yield False
        return
    path.unlink(missing_ok=True)
    ours = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        yield False
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(ours)
    try:
        yield True
    finally:
        with suppress(FileNotFoundError):  # it was taken over, and given back, meanwhile
            if path.read_text(errors="replace") == ours:
                path.unlink()


def _is_held(path: Path) -> bool:
    try:
        age_s = time.time() - path.stat().st_mtime
        host, pid, *_ = [*path.read_text(errors="replace").split(" "), "", ""]
    except FileNotFoundError:
        return False
    if host == socket.gethostname() and pid.isdecimal() and not Path("/proc", pid).exists():
        return False
    # From the future: the clock was set back.
    return abs(age_s) < _STALE_AFTER_S
