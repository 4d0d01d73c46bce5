"""Exact pieces of an archive's plain bytes, from a reader that gives large ones. Memory: one block.

Never reads past what the set's record says the archive has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.vault.stores.store import ObjectReader

_BLOCK_BYTES: Final = 1 << 20
_REMEDY: Final = "Verify the backup set, and use its other copy or another set."


def refused(how: str) -> IntegrityError:
    """The archive is damaged, or made to do harm: nothing more of it is extracted."""
    return IntegrityError(f"The archive {how}.", remedy=_REMEDY)


class ArchiveBlocks:
    """`total_bytes` is the archive's whole length; `count_bytes` hears of all that was read."""

    def __init__(
        self, reader: ObjectReader, total_bytes: int, count_bytes: Callable[[int], None]
    ) -> None:
        self._reader = reader
        self._count_bytes = count_bytes
        self._total = total_bytes
        self._block = memoryview(b"")
        self.position = 0

    @property
    def remaining_bytes(self) -> int:
        return self._total - self.position

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes, held in memory. Raises IntegrityError where there are less."""
        if len(self._block) >= count:
            return bytes(self._next(count))
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Exactly `count` bytes as views, each valid until the next."""
        if count > self.remaining_bytes:
            raise refused(f"ends {count - self.remaining_bytes} bytes before it should")
        while count:
            piece = self._next(count)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass

    def expect_end(self) -> None:
        """Read the end too, where the vault checks the whole. Raises IntegrityError."""
        if self.remaining_bytes or self._block or self._reader.read(1):
            raise refused("goes on after its end")

    def _next(self, count: int) -> memoryview:
        if not self._block:
            self._block = memoryview(self._reader.read(_BLOCK_BYTES))
            if not self._block:
                raise refused(f"ends after {self.position} bytes")
            self._count_bytes(len(self._block))
        piece, self._block = self._block[:count], self._block[count:]
        self.position += len(piece)
        return piece
