"""Where a file has data: its segments, and GNU tar's table of them (sparse format 1.0), both ways.

https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, Self

from onyx_pipelines.archive.headers import BLOCK_BYTES, padding, parse_number

# Bounds the memory for one file's map: past it, what remains of the file is one segment of data.
MAX_SEGMENTS: Final = 100_000
# Two numbers for each segment, one more for the hole at the end, and their count.
_MAX_TABLE_NUMBERS: Final = 2 * (MAX_SEGMENTS + 2) + 1


class DataMap:
    """Segments of data in order, as (offset, length) in bytes; everything between them is zeros."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.data_bytes = 0
        self._offsets = array("Q")
        self._lengths = array("Q")

    @classmethod
    def whole(cls, size_bytes: int) -> Self:
        """Of a file without holes."""
        data_map = cls(size_bytes)
        if size_bytes:
            data_map.add(0, size_bytes)
        return data_map

    @property
    def has_holes(self) -> bool:
        return self.data_bytes < self.size_bytes

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

    def records(self, path: bytes) -> dict[bytes, bytes]:
        return {
            b"GNU.sparse.major": b"1",
            b"GNU.sparse.minor": b"0",
            b"GNU.sparse.name": path,
            b"GNU.sparse.realsize": b"%d" % self.size_bytes,
        }


def data_map(fd: int, file: os.stat_result) -> DataMap:
    """Of an open file: the whole, too, where holes cannot be asked for."""
    if file.st_blocks * 512 >= file.st_size:
        return DataMap.whole(file.st_size)
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
            return DataMap.whole(file.st_size)
    else:
        if position < file.st_size and len(found) == MAX_SEGMENTS:
            found.add(position, file.st_size - position)
    return found if found.has_holes else DataMap.whole(file.st_size)


def parse_table(blocks: Iterable[bytes]) -> list[int]:
    """The decimal lines of GNU's table without its first, the count of pairs.

    Takes blocks until the table is complete; the rest of its last block is padding.

    Raises:
        ValueError: no such table, or one of more segments than any of ours has.
    """
    numbers: list[int] = []
    expected = 1
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if len(numbers) == expected:
                break
            numbers.append(parse_number(line, "number of a sparse file", at_most=2**63 - 1))
            if len(numbers) == 1:
                expected = 1 + 2 * numbers[0]
        if expected > _MAX_TABLE_NUMBERS or len(rest) > BLOCK_BYTES:
            raise ValueError("a sparse file with too many segments")
        if len(numbers) == expected:
            return numbers[1:]
    raise ValueError("a sparse file whose table is cut")


def segments_of_table(numbers: Iterable[int], real_size: int, data_bytes: int) -> DataMap:
    """Offset and length in turn; `data_bytes` follow the table in all.

    Raises:
        ValueError: they overlap, leave the file, or are not as long.
    """
    found = DataMap(real_size)
    end = 0
    pairs = iter(numbers)
    for offset, length in zip(pairs, pairs, strict=True):
        if offset < end or offset + length > real_size:
            raise ValueError("a sparse file whose segments overlap or leave it")
        end = offset + length
        if length:
            found.add(offset, length)
    if found.data_bytes != data_bytes:
        raise ValueError("a sparse file of another length than its segments")
    return found


def sparse_placeholder(path: bytes) -> bytes:
    """The name under which a reader that does not know GNU's sparse files sees the member."""
    directory, _, name = path.rpartition(b"/")
    return directory + b"/GNUSparseFile.0/" + name
