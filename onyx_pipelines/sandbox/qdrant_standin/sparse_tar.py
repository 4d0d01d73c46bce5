"""Files with holes as old-GNU sparse entries of a tar archive, which is how the server packs them.

The engine allocates pages of 32 MiB; without this a snapshot of ten points would have 136 MB.
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

# Positions in the header, see GNU tar's documentation of `oldgnu_header` and `sparse_header`.
_CHECKSUM_AT = 148
_MAP_AT = 386
_IN_HEADER = 4
_EXTENDED_AT = 482
_REAL_SIZE_AT = 483
_IN_EXTENSION = 21
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Piece:
    """Bytes that are not a hole."""

    offset: int
    length: int


def add_file(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Append a regular file under this name, without its holes if it has any."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        pieces = data_pieces(file.fileno(), size)
        if pieces == [Piece(0, size)] or size == 0:
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, file)
        else:
            data = cast("IO[bytes]", _Data(file, pieces))
            archive.addfile(_SparseEntry(name, pieces, size), data)


def data_pieces(descriptor: int, size: int) -> list[Piece]:
    """The file's data, in order; one piece where the file system knows no holes."""
    pieces = []
    position = 0
    while position < size:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        position = os.lseek(descriptor, begin, os.SEEK_HOLE)
        pieces.append(Piece(begin, position - begin))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return pieces


class _SparseEntry(tarfile.TarInfo):
    def __init__(self, name: str, pieces: Sequence[Piece], real_size: int) -> None:
        super().__init__(name)
        self.type = tarfile.GNUTYPE_SPARSE
        self.size = sum(piece.length for piece in pieces)
        self._map = list(pieces)
        self._real_size = real_size
        if not pieces or pieces[-1].offset + pieces[-1].length < real_size:
            # A hole at the end is told by an empty piece behind it.
            self._map.append(Piece(real_size, 0))

    def tobuf(
        self,
        format: Literal[0, 1, 2] | None = tarfile.GNU_FORMAT,  # noqa: A002  (inherited)
        encoding: str | None = "utf-8",
        errors: str = "surrogateescape",
    ) -> bytes:
        """The header (long names before it), and as many extensions of the map as it needs."""
        whole = super().tobuf(format, encoding, errors)
        before, header = whole[: -tarfile.BLOCKSIZE], bytearray(whole[-tarfile.BLOCKSIZE :])
        rest = self._map[_IN_HEADER:]
        _put_map(header, _MAP_AT, self._map[:_IN_HEADER])
        header[_EXTENDED_AT] = bool(rest)
        header[_REAL_SIZE_AT : _REAL_SIZE_AT + 12] = b"%011o\0" % self._real_size
        checksum = tarfile.calc_chksums(bytes(header))[0]  # type: ignore[attr-defined]  # untyped
        header[_CHECKSUM_AT : _CHECKSUM_AT + 8] = b"%06o\0 " % checksum
        return before + bytes(header) + b"".join(_extensions(rest))


def _extensions(rest: Sequence[Piece]) -> Iterator[bytes]:
    for start in range(0, len(rest), _IN_EXTENSION):
        block = bytearray(tarfile.BLOCKSIZE)
        _put_map(block, 0, rest[start : start + _IN_EXTENSION])
        block[_IN_EXTENSION * 24] = start + _IN_EXTENSION < len(rest)
        yield bytes(block)


def _put_map(block: bytearray, start: int, pieces: Sequence[Piece]) -> None:
    for number, piece in enumerate(pieces):
        at = start + number * 24
        block[at : at + 24] = b"%011o\0%011o\0" % (piece.offset, piece.length)


class _Data:
    """Reads the pieces one after the other."""

    def __init__(self, file: IO[bytes], pieces: Sequence[Piece]) -> None:
        self._parts = self._read_all(file, pieces)
        self._left = b""

    def read(self, size: int) -> bytes:
        while len(self._left) < size:
            part = next(self._parts, b"")
            if not part:
                break
            self._left += part
        data, self._left = self._left[:size], self._left[size:]
        return data

    @staticmethod
    def _read_all(file: IO[bytes], pieces: Sequence[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            file.seek(piece.offset)
            left = piece.length
            while left:
                data = file.read(min(left, _CHUNK_BYTES))
                if not data:
                    raise EOFError(f"{file.name} shrank while it was read")
                left -= len(data)
                yield data
