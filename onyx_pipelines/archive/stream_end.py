"""Whether a tar archive that streams by is whole, found from its headers alone.

Zeros at the end prove nothing: the engine's pages are full of them, and a cut may fall there.
"""

from __future__ import annotations

import tarfile
from enum import Enum
from typing import Final

from onyx_pipelines.archive.headers import BLOCK_BYTES, SIZE_FIELD, TYPE_FIELD, padding

_ZEROS: Final = bytes(BLOCK_BYTES)
# Of old-GNU sparse entries, see GNU tar's `oldgnu_header` and `sparse_header`.
_EXTENDED_AT: Final = 482
_EXTENSION_EXTENDED_AT: Final = 504


class _Expect(Enum):
    HEADER = "header"
    EXTENSION = "extension"
    SECOND_END_BLOCK = "second end block"
    NOTHING = "nothing"
    GIVEN_UP = "given up"


class ArchiveEnd:
    """Feed it every byte in order; `is_whole` is true once both end blocks came where a header
    would have come."""

    def __init__(self) -> None:
        self._expect = _Expect.HEADER
        self._skip = 0
        self._after_extensions = 0
        self._block = bytearray()

    @property
    def is_whole(self) -> bool:
        return self._expect is _Expect.NOTHING

    def feed(self, data: bytes | bytearray) -> None:
        position = 0
        while position < len(data) and self._expect not in (_Expect.NOTHING, _Expect.GIVEN_UP):
            if self._skip:
                step = min(self._skip, len(data) - position)
                self._skip -= step
            else:
                step = min(BLOCK_BYTES - len(self._block), len(data) - position)
                self._block += data[position : position + step]
                if len(self._block) == BLOCK_BYTES:
                    self._take(bytes(self._block))
                    self._block.clear()
            position += step

    def _take(self, block: bytes) -> None:
        if self._expect is _Expect.SECOND_END_BLOCK:
            self._expect = _Expect.NOTHING if block == _ZEROS else _Expect.GIVEN_UP
        elif self._expect is _Expect.EXTENSION:
            if not block[_EXTENSION_EXTENDED_AT]:
                self._expect, self._skip = _Expect.HEADER, self._after_extensions
        elif block == _ZEROS:
            self._expect = _Expect.SECOND_END_BLOCK
        else:
            self._take_header(block)

    def _take_header(self, block: bytes) -> None:
        size = _number(block[SIZE_FIELD])
        if size is None:
            self._expect = _Expect.GIVEN_UP
            return
        padded = size + padding(size)
        if block[TYPE_FIELD] == tarfile.GNUTYPE_SPARSE and block[_EXTENDED_AT]:
            self._expect, self._after_extensions = _Expect.EXTENSION, padded
        else:
            self._skip = padded


def _number(field: bytes) -> int | None:
    """Octal digits, or binary where the first byte says so; None where it is neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        return None
