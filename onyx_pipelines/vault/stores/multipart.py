"""One upload of unknown length to S3 in parts, with bounded memory.

Small objects go in one request. Parts grow, so that 10,000 of them (S3's limit) hold 5 TiB.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.core.threads import begun
from onyx_pipelines.vault.stores.s3_calls import Bucket
from onyx_pipelines.vault.stores.s3_errors import NoUploadError

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MIB = 1024 * 1024
MAX_PARTS = 10_000
FIRST_PART_BYTES = 8 * MIB
LARGEST_PART_BYTES = 1024 * MIB
PARTS_PER_SIZE = 800
IN_MEMORY_BYTES = 16 * MIB
IN_FLIGHT = 2


def part_bytes(number: int) -> int:
    """Size of part `number` (from 1): 8 MiB, doubled every 800 parts up to 1 GiB."""
    return min(FIRST_PART_BYTES << ((number - 1) // PARTS_PER_SIZE), LARGEST_PART_BYTES)


class Upload:
    """Takes bytes; `complete` makes the object, `abort` leaves nothing.

    Up to IN_FLIGHT parts are on their way while the next one fills. Parts above IN_MEMORY_BYTES
    (an object beyond 18 GiB) wait in an unlinked temporary file: sealed bytes only.
    """

    def __init__(
        self, bucket: Bucket, name: str, lock: Mapping[str, Any], spool_dir: Path | None
    ) -> None:
        self._bucket = bucket
        self._name = name
        self._lock = lock
        self._spool_dir = spool_dir
        self._part = self._new_part(1)
        self._upload_id: str | None = None
        self._in_flight: deque[Future[CompletedPartTypeDef]] = deque()
        self._done: list[CompletedPartTypeDef] = []
        self._failed = False

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        with memoryview(data).cast("B") as view:
            done = 0
            try:
                while done < len(view):
                    if self._part.room == 0:
                        self._send_part()
                    done += self._part.add(view[done : done + self._part.room])
            except BaseException:
                self._failed = True
                raise
            return done

    def complete(self) -> None:
        """Make the object visible.

        Raises:
            StoreError: it is not there; or a write had failed before.
        """
        self._require_whole()
        if self._upload_id is None:
            self._put_whole()
            return
        self._send_part()
        while self._in_flight:
            self._done.append(self._in_flight.popleft().result())
        self._bucket.call(
            f"complete {self._name}",
            self._bucket.client.complete_multipart_upload,
            Key=self._name,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._done},
        ).text("ETag")
        self._upload_id = None

    def abort(self, *, patience_s: float | None = None) -> None:
        """Drop what was sent. Parts on their way are waited for: they would outlive the abort.

        Args:
            patience_s: how long; None: as long as a request may take.

        Raises:
            StoreError: S3 could not be told, or hangs; the unfinished upload is left for `sweep`.
        """
        self._failed = True
        if wait(tuple(self._in_flight), patience_s).not_done:
            raise StoreError(
                f"{self._bucket.place.url} did not take a part of {self._name} in time.",
                remedy="The next sweep aborts the upload.",
                transient=True,
            )
        if self._upload_id is not None:
            abort_upload(self._bucket, self._name, self._upload_id)
            self._upload_id = None

    def close(self) -> None:
        """Free the buffers; the upload must have been completed or aborted."""
        self._part.close()

    def _require_whole(self) -> None:
        if self._failed:
            raise StoreError(
                f"The upload of {self._name} to {self._bucket.place.url} had failed before.",
                remedy="See the error before this one.",
                transient=True,
            )

    def _put_whole(self) -> None:
        self._bucket.call(
            f"write {self._name}",
            self._bucket.client.put_object,
            self._part.size,
            Key=self._name,
            Body=self._part.body(),
            ContentLength=self._part.size,
            ContentMD5=self._part.content_md5,
            **self._lock,
        ).text("ETag")

    def _send_part(self) -> None:
        if self._upload_id is None:
            self._upload_id = self._bucket.call(
                f"begin the upload of {self._name}",
                self._bucket.client.create_multipart_upload,
                Key=self._name,
                **self._lock,
            ).text("UploadId")
        if len(self._in_flight) >= IN_FLIGHT:
            # In its place until then: `abort` may be called meanwhile.
            self._done.append(self._in_flight[0].result())
            self._in_flight.popleft()
        self._require_whole()
        self._in_flight.append(begun(partial(self._upload_part, self._part), "s3-upload"))
        self._part = self._new_part(self._part.number + 1)

    def _upload_part(self, part: _Part) -> CompletedPartTypeDef:
        assert self._upload_id is not None  # noqa: S101  (for mypy)
        try:
            answer = self._bucket.call(
                f"write part {part.number} of {self._name}",
                self._bucket.client.upload_part,
                part.size,
                Key=self._name,
                UploadId=self._upload_id,
                PartNumber=part.number,
                Body=part.body(),
                ContentLength=part.size,
                ContentMD5=part.content_md5,
            )
            return {"PartNumber": part.number, "ETag": answer.text("ETag")}
        finally:
            part.close()

    def _new_part(self, number: int) -> _Part:
        if number > MAX_PARTS:
            raise StoreError(
                f"{self._name} is too large for {self._bucket.place.url}: S3 takes {MAX_PARTS}"
                " parts.",
                remedy="Split what is backed up: one object may have 5 TiB.",
            )
        return _Part(number, part_bytes(number), self._spool_dir)


def content_md5(data: bytes) -> str:
    """The header without which a bucket with Object Lock takes nothing. Every server knows it;
    the newer x-amz-checksum headers many do not."""
    digest = _md5()
    digest.update(data)
    return _header(digest)


def _md5() -> hashlib._Hash:
    # Against damage on the way: hosts in FIPS mode allow it for that.
    return hashlib.md5(usedforsecurity=False)


def _header(digest: hashlib._Hash) -> str:
    return base64.b64encode(digest.digest()).decode()


def abort_upload(bucket: Bucket, name: str, upload_id: str) -> None:
    """Abort an unfinished upload; one that is gone already is fine."""
    with suppress(NoUploadError):
        bucket.call(
            f"abort the upload of {name}",
            bucket.client.abort_multipart_upload,
            Key=name,
            UploadId=upload_id,
        ).require_emptied()


class _Part:
    """The bytes of one part, in memory or, when large, in a file that has no name."""

    def __init__(self, number: int, limit_bytes: int, spool_dir: Path | None) -> None:
        self.number = number
        self.size = 0
        self._limit = limit_bytes
        self._md5 = _md5()
        self._file: IO[bytes] = io.BytesIO()
        if limit_bytes > IN_MEMORY_BYTES:
            with _spooling():
                self._file = tempfile.TemporaryFile(dir=spool_dir)  # noqa: SIM115  (see close)

    @property
    def room(self) -> int:
        return self._limit - self.size

    def add(self, data: memoryview) -> int:
        with _spooling():
            self._file.write(data)
        self._md5.update(data)
        self.size += len(data)
        return len(data)

    @property
    def content_md5(self) -> str:
        return _header(self._md5)

    def body(self) -> IO[bytes]:
        with _spooling():
            self._file.seek(0)
        return self._file

    def close(self) -> None:
        with _spooling():
            self._file.close()


@contextmanager
def _spooling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"A part of an upload could not be kept on disk ({error.strerror}).",
            remedy="Free space (up to 3 GiB) where ONYX_STATE_DIR is, or where TMPDIR points.",
        ) from error
