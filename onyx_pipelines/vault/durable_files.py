"""Small files that are whole or absent, also after a power cut: key files and lists of recipients.

What goes into stores is written by the stores themselves.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path


def create_durably(path: Path, data: bytes, *, mode: int) -> None:
    """Write a new file with exactly this mode.

    Raises:
        FileExistsError: something is there already; it is left as it is.
        OSError: it could not be written; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(
            errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)
        ) from None
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def replace_durably(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file, or put another one in its place in one step.

    Raises:
        OSError: it could not be written; what was there is still there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    create_durably(temporary, data, mode=mode)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
