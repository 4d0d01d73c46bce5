"""SHA-256 of a stream, large pieces of it by a thread beside whoever works on them."""

from __future__ import annotations

import hashlib

from onyx_pipelines.core.threads import Behind

_WORTH_A_THREAD_BYTES = 128 * 1024
_PIECES_BEHIND = 2


class Hashing:
    """Not for several threads at a time. Its own thread ends with it."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._behind = Behind(_PIECES_BEHIND, "sha256")

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """A piece must stay as it is until it is `settled`."""
        if len(piece) >= _WORTH_A_THREAD_BYTES:
            self._behind.do(self._digest.update, piece)
        else:
            self._behind.settle()
            self._digest.update(piece)

    def settle(self) -> None:
        """Until every piece is hashed."""
        self._behind.settle()

    def hexdigest(self, rest: bytes | bytearray = b"") -> str:
        """Of every piece, and of a rest that does not become part of it."""
        self._behind.settle()
        whole = self._digest.copy()
        whole.update(rest)
        return whole.hexdigest()

    def end(self) -> None:
        self._behind.end()
