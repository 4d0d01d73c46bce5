"""Where a sparse file has data: its segments, and GNU tar's table of them (sparse format 1.0).

https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Iterator
from typing import Final

from onyx_pipelines.sources.volumes.tar_headers import PaxRecord, padding

# Bounds the memory for one file's map: past it, what remains of the file is one segment of data.
MAX_SEGMENTS: Final = 100_000


class DataMap:
    """Segments of data in order, as (offset, length) in bytes; everything between them is zeros."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.data_bytes = 0
        self._offsets = array("Q")
        self._lengths = array("Q")

    def add(self, offset: int, length: int) -> None:
        self._offsets.append(offset)
        self._lengths.append(length)
        self.data_bytes += length

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._offsets, self._lengths, strict=True)

    def table(self) -> bytes:
        """GNU's table: decimal numbers, one a line, padded to a block; it precedes the data."""
        entries = [*self]
        if not entries or sum(entries[-1]) < self.size_bytes:
            # GNU tar's own mark of a hole at the end.
            entries.append((self.size_bytes, 0))
        lines = [b"%d\n" % len(entries)]
        lines.extend(b"%d\n%d\n" % entry for entry in entries)
        text = b"".join(lines)
        return text + bytes(padding(len(text)))

    def records(self, path: bytes) -> tuple[PaxRecord, ...]:
        return (
            (b"GNU.sparse.major", b"1"),
            (b"GNU.sparse.minor", b"0"),
            (b"GNU.sparse.name", path),
            (b"GNU.sparse.realsize", b"%d" % self.size_bytes),
        )


def sparse_map(fd: int, file: os.stat_result) -> DataMap | None:
    """The map of a file with holes; None for one without, or where holes cannot be asked for."""
    if file.st_blocks * 512 >= file.st_size:
        return None
    found = DataMap(file.st_size)
    position = 0
    try:
        while position < file.st_size and len(found) < MAX_SEGMENTS:
            start = os.lseek(fd, position, os.SEEK_DATA)
            if start >= file.st_size:
                break
            position = min(os.lseek(fd, start, os.SEEK_HOLE), file.st_size)
            found.add(start, position - start)
    except OSError as error:
        # ENXIO: no data after `position`. EINVAL: the file system knows no holes.
        if error.errno != errno.ENXIO:
            return None
    else:
        if position < file.st_size and len(found) == MAX_SEGMENTS:
            found.add(position, file.st_size - position)
    return found if found.data_bytes < file.st_size else None


def sparse_placeholder(path: bytes) -> bytes:
    """The name under which a reader that does not know GNU's sparse files sees the member."""
    directory, _, name = path.rpartition(b"/")
    return directory + b"/GNUSparseFile.0/" + name
