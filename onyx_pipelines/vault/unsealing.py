"""Unsealing: a sealed stream in, plain bytes out, nothing released that was not authenticated.

The last byte is given out only after the whole object proved to be what its record says. Large
pieces are hashed by a thread, beside whoever asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import IO, cast

import tink
import zstandard
from tink import streaming_aead

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.core.lost_interrupts import raise_swallowed
from onyx_pipelines.core.threads import begun
from onyx_pipelines.vault.hashing import Hashing
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines.vault.stores.store import ObjectReader
from onyx_pipelines.vault.wrapping import Keyset

_SEALED_READ_BYTES = 1024 * 1024
_COMPRESSED_READ_BYTES = 256 * 1024


class Unsealer:
    """Reads the plain bytes of one object, in constant memory whatever its bytes claim.

    `read` raises IntegrityError, naming the object, where it was damaged, cut, extended, exchanged
    or sealed under another key. Errors of the source pass through as they are.
    """

    def __init__(
        self,
        source: ObjectReader,
        keyset: Keyset,
        associated_data: bytes,
        record: ObjectRecord,
        *,
        is_hashed: bool = True,
    ) -> None:
        """Begin an object.

        Args:
            is_hashed: False where whoever gets the bytes compares their SHA-256 with the record's;
                that they are what was sealed is known all the same.
        """
        self._record = record
        self._hashing = Hashing() if is_hashed else None
        self._given_bytes = 0
        self._ended = False
        self._broken = False
        self._ciphertext = _Ciphertext(source)
        try:
            aead = keyset.primitive(streaming_aead.StreamingAead)
            decryption = aead.new_decrypting_stream(self._ciphertext, associated_data).detach()
        except tink.TinkError as error:
            self._ciphertext.raise_cause(error)
            raise self._damaged("its keyset does not fit") from None
        self._compressed = _Compressed(decryption, self._ciphertext)
        self._plain = zstandard.ZstdDecompressor().stream_reader(
            cast("IO[bytes]", self._compressed), read_size=_COMPRESSED_READ_BYTES, closefd=False
        )

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end, b"" only after the last one."""
        if size < 0:
            raise ValueError("read needs a size")
        if self._broken:
            raise ValueError("an earlier read of this object failed")
        if self._ended or size == 0:
            return b""
        self._broken = True
        data = self._next(size)
        self._broken = False
        return data

    def _next(self, size: int) -> bytes:
        remaining = self._record.plain_bytes - self._given_bytes
        data = self._decompress(min(size, remaining)) if remaining else b""
        if self._hashing:
            self._hashing.update(data)
        self._given_bytes += len(data)
        if self._given_bytes == self._record.plain_bytes:
            self._check_end()
            self._ended = True
        elif not data:
            raise self._damaged(f"it ends after {self._given_bytes} plain bytes")
        return data

    def _check_end(self) -> None:
        if self._decompress(1):
            raise self._damaged(f"it holds more than {self._record.plain_bytes} plain bytes")
        if self._decrypt(1):
            raise self._damaged("something follows its end")
        if self._hashing and self._hashing.hexdigest() != self._record.plain_sha256:
            raise self._damaged("its plain bytes have another SHA-256")

    def _decompress(self, size: int) -> bytes:
        try:
            return self._plain.read(size)
        except tink.TinkError:
            raise self._does_not_open() from None
        except zstandard.ZstdError:
            raise self._damaged("it does not decompress") from None

    def _decrypt(self, size: int) -> bytes:
        try:
            return self._compressed.read(size)
        except tink.TinkError:
            raise self._does_not_open() from None

    def _does_not_open(self) -> IntegrityError:
        return self._damaged("it was altered or cut, or is another object")

    def _damaged(self, problem: str) -> IntegrityError:
        return IntegrityError(
            f"{self._record.key} does not unseal: {problem}.",
            remedy="Take the copy of the other store, or another backup set.",
        )


class _Compressed:
    """What zstd reads from: Tink's stream, with the source's own errors brought back."""

    def __init__(self, decryption: object, ciphertext: _Ciphertext) -> None:
        self._read: Callable[[int], bytes] = decryption.read  # type: ignore[attr-defined]  # untyped
        self._ciphertext = ciphertext
        self._is_begun = False

    def read(self, size: int) -> bytes:
        try:
            data = self._read(size) if self._is_begun else self._begin(size)
        except tink.TinkError as error:
            self._ciphertext.raise_cause(error)
            raise
        self._ciphertext.raise_failure()
        return data

    def _begin(self, size: int) -> bytes:
        """While Tink looks for the key, an interrupt of this thread is to it a key that does not
        fit, and nothing else; others have none."""
        self._is_begun = True
        return begun(partial(self._read, size), "unseal").result()


class _Ciphertext:
    """The file that Tink reads from; keeps the source's own error, which C++ would swallow."""

    closed = False

    def __init__(self, source: ObjectReader) -> None:
        self._source = source
        self._ahead = memoryview(b"")
        self._failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        try:
            if not self._ahead:
                self._ahead = memoryview(self._source.read(_SEALED_READ_BYTES))
        except BaseException as error:  # C++ turns it into an opaque status
            self._failure = error
            raise
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(piece)

    def close(self) -> None:
        """Called by Tink; whoever opened the source closes it."""

    def raise_cause(self, error: tink.TinkError) -> None:
        """If it is not Tink's own."""
        self.raise_failure()
        raise_swallowed(str(error))

    def raise_failure(self) -> None:
        """Raise the source's error, once: its traceback refers to us, and C++ to this object."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
