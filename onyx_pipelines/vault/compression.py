"""One zstd frame, of which only what gets smaller is compressed; the rest stands in raw blocks.

Vectors and images gain little, and trying costs more than all else that sealing does. zstd's jobs
know nothing of each other (they run at the same time, here without overlap), so that raw blocks may
stand between two of them; a flush is where one ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

import zstandard

# RFC 8878, 3.1.1.2: a header (last block? type, size) and at most so much behind it.
_HEADER_BYTES: Final = 3
_SIZE_BIT: Final = 3
_BLOCK_BYTES: Final = 128 * 1024
# What does not become a tenth smaller is stored. float32 vectors lose 8 %, int8 ones 20 %.
_WORTH_IT: Final = 0.9
# Threads lag behind; while no more than this has come out, they need not be waited for.
_SURELY_WORTH_IT: Final = 0.5


@dataclass(frozen=True)
class Pace:
    """How much is compressed to see what that gains, and after how much more it is seen anew."""

    trial_bytes: int = 1 << 20
    again_bytes: int = 32 << 20


class _Doing(Enum):
    TRYING = "trying"
    COMPRESSING = "compressing"
    STORING = "storing"


class Compressor:
    """Compresses one object, in constant memory.

    Args:
        level: of zstd.
        threads: of zstd, at least one.
    """

    def __init__(self, *, level: int, threads: int, pace: Pace = Pace()) -> None:
        if threads < 1:
            raise ValueError("without threads there are no jobs to put raw blocks between")
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, threads=threads, overlap_log=1
        )
        self._zstd = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        self._pace = pace
        # It begins the frame, too.
        self._doing = _Doing.TRYING
        self._taken = self._given = 0

    def compress(self, piece: memoryview) -> bytes:
        """What there is of the frame by now."""
        self._taken += len(piece)
        if self._doing is _Doing.STORING:
            if self._taken >= self._pace.again_bytes:
                self._begin(_Doing.TRYING)
            return b"".join(_raw_blocks(piece))
        compressed = self._zstd.compress(piece)
        self._given += len(compressed)
        return compressed + self._judged()

    def finish(self) -> bytes:
        """The rest of the frame; nothing can be compressed after it."""
        return self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)

    def _judged(self) -> bytes:
        """Choose what to do with what follows; gives what that brings out of the threads."""
        if self._doing is _Doing.TRYING and self._taken >= self._pace.trial_bytes:
            rest = self._flushed()
            is_worth_it = self._given + len(rest) <= _WORTH_IT * self._taken
            self._begin(_Doing.COMPRESSING if is_worth_it else _Doing.STORING)
            return rest
        if self._doing is _Doing.COMPRESSING and self._taken >= self._pace.again_bytes:
            if self._given <= _SURELY_WORTH_IT * self._taken:
                self._begin(_Doing.COMPRESSING)
            else:
                self._begin(_Doing.TRYING)
                return self._flushed()
        return b""

    def _begin(self, doing: _Doing) -> None:
        self._doing = doing
        self._taken = self._given = 0

    def _flushed(self) -> bytes:
        return self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def _raw_blocks(piece: memoryview) -> Iterator[bytes | memoryview]:
    """None of them is the frame's last one."""
    for start in range(0, len(piece), _BLOCK_BYTES):
        block = piece[start : start + _BLOCK_BYTES]
        yield (len(block) << _SIZE_BIT).to_bytes(_HEADER_BYTES, "little")
        yield block
