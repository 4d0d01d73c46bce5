"""Gathers an archive's small pieces into large writes; files are read straight into its block."""

from __future__ import annotations

import os
from typing import Final, Protocol

BLOCK_SIZE_BYTES: Final = 1 << 20
# Below this, a read into what is left of the block costs more than it saves.
_WORTH_READING_BYTES: Final = 64 << 10
_ZEROS: Final = memoryview(bytes(BLOCK_SIZE_BYTES))


class _Sink(Protocol):
    def write(self, data: memoryview, /) -> object: ...


class BlockWriter:
    """Memory: one block. The sink must be done with the bytes when its `write` returns."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self._block = memoryview(bytearray(BLOCK_SIZE_BYTES))
        self._filled = 0
        self.written_bytes = 0

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            room = self._room(1)
            piece = rest[:room]
            self._block[self._filled : self._filled + len(piece)] = piece
            self._advance(len(piece))
            rest = rest[len(piece) :]

    def read_from(self, fd: int, count: int, offset: int) -> memoryview:
        """Append up to `count` bytes of a file; what was read, empty at its end. Raises OSError.

        The view is valid until the next call.
        """
        room = self._room(min(count, _WORTH_READING_BYTES))
        start = self._filled
        length = os.preadv(fd, [self._block[start : start + min(count, room)]], offset)
        self._advance(length)
        return self._block[start : start + length]

    def write_zeros(self, count: int) -> None:
        while count:
            length = min(count, self._room(1))
            self._block[self._filled : self._filled + length] = _ZEROS[:length]
            self._advance(length)
            count -= length

    def flush(self) -> None:
        if self._filled:
            self._sink.write(self._block[: self._filled])
            self._filled = 0

    def _room(self, wanted: int) -> int:
        if BLOCK_SIZE_BYTES - self._filled < wanted:
            self.flush()
        return BLOCK_SIZE_BYTES - self._filled

    def _advance(self, length: int) -> None:
        self._filled += length
        self.written_bytes += length
