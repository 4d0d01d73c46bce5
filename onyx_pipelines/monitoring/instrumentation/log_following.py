"""The lines that were added to a log file, each once: over rotation, truncation and restarts.

A place is a file's inode, an offset, and a hash of how the file begins: the inode of a deleted log
is soon given to another file, and one that was copied and truncated may have grown past the offset.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

# Longer ones are none that a service writes for people or programs.
LONGEST_LINE: Final = 256 * 1024
_BEGINNING: Final = 256
_BATCH: Final = 1024 * 1024
_LISTINGS: Final = 5
_COMPRESSED: Final = frozenset({".gz", ".xz", ".bz2", ".zst"})


@dataclass(frozen=True)
class Place:
    """Up to where a file was read.

    Args:
        offset: of the first byte that was not, in bytes; where a line begins.
        beginning: hash of the file's first bytes, at most 256 and at most `offset` of them.
    """

    inode: int
    offset: int
    beginning: str


@dataclass(frozen=True)
class Batch:
    """Lines (without their ends), in order, and the place behind them.

    Args:
        gap: something was lost before: the file that was being read is there no more.
        overlong: lines beyond LONGEST_LINE, which are left out.
    """

    lines: tuple[bytes, ...]
    place: Place
    gap: bool = False
    overlong: int = 0


def batches(log: Path, place: Place | None) -> Iterator[Batch]:
    """What was added since `place`, to the end of what is there now, about a MiB at a time.

    Rotated files are looked for beside the log (`app.log.1`, `app.log-20261127`, not compressed),
    and read to their end first. A line without an end is left for the next time.

    Args:
        place: of an earlier batch; None: the log is read from its beginning.

    Raises:
        OSError: it cannot be read; a log that is not there yet has no lines.
    """
    with ExitStack() as stack:
        files = _opened(log, stack)
        at = _where(files, place) if place else None
        if place is None or at is None:
            for file in files[-1:]:
                yield from _from(file, 0, gap=bool(place and place.offset))
            return
        yield from _from(files[at], place.offset, gap=False)
        for file in files[at + 1 :]:
            yield from _from(file, 0, gap=False)


def _opened(log: Path, stack: ExitStack) -> list[BinaryIO]:
    """All of them, each once: a file that was renamed between the listing and the opening would be
    missed, and another one that begins alike taken for its copy."""
    for _ in range(_LISTINGS - 1):
        with ExitStack() as opened, suppress(FileNotFoundError):  # renamed just then: once more
            paths = _files(log)
            files: list[BinaryIO] = [opened.enter_context(each.open("rb")) for each in paths]
            if _files(log) == paths and all(map(_is_still, paths, files)):
                stack.push(opened.pop_all())
                return files
    return [stack.enter_context(each.open("rb")) for each in _files(log)]


def _is_still(path: Path, file: BinaryIO) -> bool:
    return os.path.samestat(path.stat(), os.fstat(file.fileno()))


def _files(log: Path) -> list[Path]:
    """The log, and before it what it was called once, the oldest first."""
    rotated = [
        each
        for each in log.parent.iterdir()
        if each.name.startswith(log.name)
        and each != log
        and each.suffix not in _COMPRESSED
        and each.is_file()
    ]
    rotated.sort(key=lambda each: each.stat().st_mtime_ns)
    return [*rotated, *([log] if log.is_file() else [])]


def _where(files: Sequence[BinaryIO], place: Place) -> int | None:
    """Which file goes on at the place: the same one, else its copy (logrotate's copytruncate)."""
    alike = [
        at
        for at, file in enumerate(files)
        if os.fstat(file.fileno()).st_size >= place.offset
        and _beginning(file, place.offset) == place.beginning
    ]
    same = [at for at in alike if os.fstat(files[at].fileno()).st_ino == place.inode]
    return next(iter([*same, *reversed(alike)]), None)


def _beginning(file: BinaryIO, offset: int) -> str:
    return hashlib.sha256(os.pread(file.fileno(), min(offset, _BEGINNING), 0)).hexdigest()


def _from(file: BinaryIO, start: int, *, gap: bool) -> Iterator[Batch]:
    inode = os.fstat(file.fileno()).st_ino
    file.seek(start)
    lines: list[bytes] = []
    offset, overlong, taken = start, 0, 0
    while line := file.readline(LONGEST_LINE + 1):
        length = len(line)
        if not line.endswith(b"\n") and length > LONGEST_LINE:
            rest = _rest_of_line(file)
            length, line, overlong = length + rest, b"", overlong + bool(rest)
            if not rest:
                break
        elif not line.endswith(b"\n"):
            break
        offset += length
        taken += length
        if line:
            lines.append(line.rstrip(b"\r\n"))
        if taken >= _BATCH:
            yield Batch(tuple(lines), Place(inode, offset, _beginning(file, offset)), gap, overlong)
            lines, overlong, taken, gap = [], 0, 0, False
    if taken or gap:
        yield Batch(tuple(lines), Place(inode, offset, _beginning(file, offset)), gap, overlong)


def _rest_of_line(file: BinaryIO) -> int:
    """Bytes to the line's end; 0: it has none yet."""
    length = 0
    while part := file.readline(_BATCH):
        length += len(part)
        if part.endswith(b"\n"):
            return length
    return 0
