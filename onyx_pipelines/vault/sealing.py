"""Sealing: plain bytes in, compressed and encrypted bytes out, both hashed, in one pass.

One thread compresses (see `compression`), this one encrypts (Tink AES256_GCM_HKDF_1MB), one hashes
what comes in, and one hashes and writes what goes out. `unsealing` is the way back.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import tink
from tink import streaming_aead

from onyx_pipelines.core.lost_interrupts import raise_swallowed
from onyx_pipelines.core.threads import Behind, patience_after
from onyx_pipelines.vault.compression import Compressor
from onyx_pipelines.vault.hashing import Hashing
from onyx_pipelines.vault.stores.store import ObjectWriter
from onyx_pipelines.vault.wrapping import Keyset

# Measured: Tink is five times slower with writes of 4 MiB than with 64 KiB to 1 MiB.
_PIECE_BYTES = 1024 * 1024
_GATHER_BYTES = 256 * 1024
# Tink writes 128 KiB at a time: the thread gets a megabyte, and is at most two behind.
_GATHERED_WRITES = 8
_PIECES_BEHIND = 2
# Above 19 zstd needs more memory than we promise to stay under.
COMPRESSION_LEVELS = range(1, 20)


@dataclass(frozen=True)
class SealedFigures:
    """What went in and what came out."""

    plain_bytes: int
    plain_sha256: str
    sealed_bytes: int
    sealed_sha256: str


class Sealer:
    """Seals one object into `destination`, in constant memory.

    Use it as a context manager and call `finish` in the block, after the last byte. Without
    `finish` the ciphertext has no end and never opens. Not for several threads at a time.
    """

    def __init__(
        self,
        keyset: Keyset,
        associated_data: bytes,
        destination: ObjectWriter,
        *,
        compression_level: int = 1,
        compression_threads: int = 1,
    ) -> None:
        """Begin an object.

        Args:
            compression_level: of zstd, 1 to 19.
            compression_threads: of zstd, at least one.
        """
        if compression_level not in COMPRESSION_LEVELS:
            raise ValueError(f"zstd level {compression_level} is not one of 1 to 19")
        self._hashing = Hashing()
        self._plain_bytes = 0
        self._gathered = bytearray()
        self._compressor = Compressor(level=compression_level, threads=compression_threads)
        self._ciphertext = _Ciphertext(destination)
        self._closed = False
        self._released = False
        aead = keyset.primitive(streaming_aead.StreamingAead)
        try:
            # Tink's buffered layer would cut large writes and finalise the stream when collected.
            self._encryption: io.RawIOBase = aead.new_encrypting_stream(
                self._ciphertext, associated_data
            ).detach()
        except tink.TinkError as error:
            raise self._ciphertext.cause(error) from None

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Seal some bytes; all of them are taken.

        Raises:
            StoreError: the destination's own error; the same again at each later call.
        """
        self._require_open()
        with memoryview(data).cast("B") as view:
            length = len(view)
            self._plain_bytes += length
            if length < _GATHER_BYTES:
                self._gathered += view
                if len(self._gathered) >= _GATHER_BYTES:
                    self._compress_gathered()
            else:
                self._compress_gathered()
                try:
                    for start in range(0, length, _PIECE_BYTES):
                        self._compress(view[start : start + _PIECE_BYTES])
                finally:
                    # Its owner may use it again.
                    self._hashing.settle()
        return length

    def sha256(self) -> str:
        """Of the plain bytes so far."""
        return self._hashing.hexdigest(self._gathered)

    def finish(self) -> SealedFigures:
        """Seal the end.

        Raises:
            StoreError: the destination's own error, also one that a caller ignored before.
        """
        self._require_open()
        self._compress_gathered()
        self._encrypt(self._compressor.finish())
        try:
            self._encryption.close()
        except tink.TinkError as error:
            raise self._ciphertext.cause(error) from None
        self._ciphertext.settle()
        self._closed = True
        return SealedFigures(
            self._plain_bytes,
            self._hashing.hexdigest(),
            self._ciphertext.count,
            self._ciphertext.digest.hexdigest(),
        )

    def abandon(self, patience_s: float | None = None) -> None:
        """Take no more bytes, write nothing more, free the buffers; harmless after `finish`.

        Args:
            patience_s: how long to wait for a write under way; None: as long as it takes.
        """
        if self._released:
            return
        self._closed = self._released = True
        self._ciphertext.end(patience_s)
        self._hashing.end()
        # Not Tink's own `close`, which would write the last segment; without this one the garbage
        # collector would call it.
        io.RawIOBase.close(self._encryption)
        # A failure's traceback refers to us, and C++ to the failure: a cycle that Python's
        # collector cannot see through, so it is cut here.
        del self._encryption, self._compressor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abandon(patience_after(error))

    def _require_open(self) -> None:
        self._ciphertext.raise_failure()
        if self._closed:
            raise ValueError("this object is finished or abandoned")

    def _compress_gathered(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._compress(memoryview(gathered))

    def _compress(self, piece: memoryview) -> None:
        self._hashing.update(piece)
        self._encrypt(self._compressor.compress(piece))

    def _encrypt(self, compressed: bytes) -> None:
        done = 0
        while done < len(compressed):
            piece = compressed[done : done + _PIECE_BYTES]
            try:
                done += self._encryption.write(piece) or 0
            except tink.TinkError as error:
                raise self._ciphertext.cause(error) from None
            self._ciphertext.raise_failure()


class _Ciphertext:
    """The file that Tink writes to: a thread hashes, counts and gives it to the destination, and
    keeps the destination's own error."""

    closed = False

    def __init__(self, destination: ObjectWriter) -> None:
        self._destination: ObjectWriter | None = destination
        self._failure: BaseException | None = None
        self._behind = Behind(_PIECES_BEHIND, "sealed")
        self._gathered: list[bytes] = []
        self.digest = hashlib.sha256()
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        if self._destination is None:
            # Tink writes its last segment when it is freed, too: nobody waits for that.
            return len(data)
        self._gathered.append(data)
        if len(self._gathered) >= _GATHERED_WRITES:
            gathered, self._gathered = self._gathered, []
            try:
                self._behind.do(self._store, gathered)
            except BaseException as error:  # C++ makes it an opaque status; `cause` gives it back
                self._fail(error)
                raise
        return len(data)

    def close(self) -> None:
        """Called by Tink after its last write; whoever opened the destination closes it."""

    def settle(self) -> None:
        """Until the destination has everything; raises its error if it does not."""
        self._behind.settle()
        # A small object needs no thread.
        self._store(self._gathered)
        self.raise_failure()

    def end(self, patience_s: float | None) -> None:
        """From now on the destination gets nothing more."""
        self._destination = None
        self._behind.end(patience_s)

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def cause(self, error: tink.TinkError) -> BaseException:
        if self._failure is None:
            raise_swallowed(str(error))
        return self._failure if self._failure is not None else error

    def _store(self, gathered: list[bytes]) -> None:
        try:
            for data in gathered:
                if self._destination is None:
                    return
                self._destination.write(data)
                self.digest.update(data)
                self.count += len(data)
        except BaseException as error:  # noqa: BLE001  (whoever seals gets it)
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._destination = None
