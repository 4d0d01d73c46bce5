"""A store in a bucket of Amazon S3 or of any server that speaks its protocol.

botocore does signatures, retries and time limits; credentials go to it and nowhere else.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from onyx_pipelines.core.errors import SettingsError, StoreError
from onyx_pipelines.core.threads import patience_after
from onyx_pipelines.vault.stores.multipart import Upload, abort_upload, content_md5
from onyx_pipelines.vault.stores.s3_calls import ATTEMPTS, Bucket
from onyx_pipelines.vault.stores.s3_errors import AbsentError, Place, absent, cut_short
from onyx_pipelines.vault.stores.s3_locks import S3Locks
from onyx_pipelines.vault.stores.s3_versions import S3Versions
from onyx_pipelines.vault.stores.store import (
    SMALL_OBJECT_LIMIT_BYTES,
    ObjectReader,
    ObjectWriter,
    Removed,
    StoredObject,
    check_key,
    is_key,
    read_small,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECT_TIMEOUT_S = 20.0
# What a page says of the next one, and what the request for it says.
_NEXT = {"NextContinuationToken": "ContinuationToken"}
_NEXT_UPLOADS = {"NextKeyMarker": "KeyMarker", "NextUploadIdMarker": "UploadIdMarker"}


@dataclass(frozen=True)
class S3Location:
    """Where the bucket is and how to ask for it. Empty endpoint: Amazon's own; empty key: boto3
    looks for credentials itself (profile, instance role)."""

    bucket: str
    prefix: str = ""
    endpoint_url: str = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


class S3Store:
    """Objects under `prefix` of a bucket, which must exist.

    Args:
        stall_timeout_s: a request that moves no byte for this long has failed.
        spool_dir: where parts beyond 16 MiB wait (see `multipart`); None: the system's choice.
        lock_days: see `s3_locks`; the bucket must have Object Lock.
    """

    def __init__(
        self,
        location: S3Location,
        *,
        name: str = "offsite",
        stall_timeout_s: float = 300.0,
        spool_dir: Path | None = None,
        lock_days: int = 0,
    ) -> None:
        self._name = name
        self._spool_dir = spool_dir
        prefix = location.prefix.strip("/")
        self._bucket = Bucket(
            _client(location, stall_timeout_s),
            Place(
                url=f"s3://{location.bucket}/{prefix}".rstrip("/"),
                endpoint_url=location.endpoint_url or f"Amazon S3 ({location.region})",
            ),
            location.bucket,
            f"{prefix}/" if prefix else "",
            stall_timeout_s,
        )
        self._locks = S3Locks(self._bucket, lock_days)
        self._versions = S3Versions(self._bucket, self._open)

    @property
    def name(self) -> str:
        return self._name

    @property
    def url(self) -> str:
        return self._bucket.place.url

    @property
    def versions(self) -> S3Versions:
        return self._versions

    @property
    def locks(self) -> S3Locks:
        return self._locks

    @contextmanager
    def create(self, key: str) -> Iterator[ObjectWriter]:
        upload = Upload(
            self._bucket, self._full_name(key), self._locks.of_upload(key), self._spool_dir
        )
        try:
            with self._locks.explained(key):
                yield upload
                upload.complete()
        except BaseException as error:
            try:
                upload.abort(patience_s=patience_after(error))
            except StoreError as left:
                error.add_note(f"{left.what} The next sweep removes what was sent of it.")
            raise
        finally:
            upload.close()

    def open(self, key: str) -> AbstractContextManager[ObjectReader]:
        return self._open(key)

    @contextmanager
    def _open(self, key: str, version: str = "") -> Iterator[ObjectReader]:
        name = self._full_name(key)
        chosen: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            answer = self._bucket.call(
                f"read {key}", self._bucket.client.get_object, Key=name, **chosen
            )
        except AbsentError:
            raise absent(self._bucket.place, key) from None
        reader = _Reader(self._bucket, key, answer.values["Body"])
        try:
            answer.text("ETag")
            reader.expect(answer.size("ContentLength"))
            yield reader
        finally:
            reader.close()

    def put(self, key: str, data: bytes) -> None:
        name = self._full_name(key)
        with self._locks.explained(key):
            self._bucket.call(
                f"write {key}",
                self._bucket.client.put_object,
                len(data),
                Key=name,
                Body=data,
                ContentMD5=content_md5(data),
                **self._locks.of_upload(key),
            ).text("ETag")

    def get(self, key: str, *, limit_bytes: int = SMALL_OBJECT_LIMIT_BYTES) -> bytes:
        return read_small(self, key, limit_bytes)

    def stat(self, key: str) -> StoredObject | None:
        name, action = self._full_name(key), f"look at {key}"
        try:
            answer = self._bucket.call(action, self._bucket.client.head_object, Key=name)
        except AbsentError:
            # A HEAD has no body: only the bucket's own says whether there is a bucket.
            self._bucket.call(action, self._bucket.client.head_bucket)
            return None
        answer.text("ETag")
        return StoredObject(key, answer.size("ContentLength"), answer.time("LastModified"))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        found: dict[str, StoredObject] = {}
        ask = self._bucket.client.list_objects_v2
        for _, item in self._bucket.pages(f"list {prefix}", ask, _NEXT, prefix, ("Contents",)):
            key = item.text("Key").removeprefix(self._bucket.prefix)
            if is_key(key):
                found[key] = StoredObject(key, item.size("Size"), item.time("LastModified"))
        # Not every server lists in the order that S3 promises.
        yield from (found[key] for key in sorted(found))

    def delete(self, key: str) -> None:
        with suppress(AbsentError):  # what is gone is deleted
            self._bucket.call(
                f"delete {key}", self._bucket.client.delete_object, Key=self._full_name(key)
            ).require_emptied()

    def sweep(self, prefix: str, *, older_than: datetime, dry_run: bool = False) -> Removed:
        ask = self._bucket.client.list_multipart_uploads
        unfinished = [
            (item.text("Key"), item.text("UploadId"))
            for _, item in self._bucket.pages(
                f"sweep {prefix}", ask, _NEXT_UPLOADS, prefix, ("Uploads",)
            )
            if item.time("Initiated") < older_than
        ]
        for name, upload_id in unfinished if not dry_run else ():
            abort_upload(self._bucket, name, upload_id)
        return sorted(
            f"{name.removeprefix(self._bucket.prefix)} (unfinished upload)"
            for name, _ in unfinished
        )

    def _full_name(self, key: str) -> str:
        return self._bucket.full_name(check_key(key))


class _Reader:
    def __init__(self, bucket: Bucket, key: str, body: StreamingBody) -> None:
        self._bucket = bucket
        self._key = key
        self._body = body
        self._left = 0
        self._is_reading = False
        self._is_over = False

    def expect(self, size_bytes: int) -> None:
        self._left = size_bytes

    def read(self, size: int, /) -> bytes:
        if size < 0:
            raise ValueError("read needs a size")
        wanted = min(size, self._left)
        if not wanted:
            return b""
        data = self._bucket.receive(f"read {self._key}", self._read, wanted)
        self._left -= len(data)
        if len(data) < wanted:
            raise cut_short(self._bucket.place, self._key, self._left)
        return data

    def close(self) -> None:
        """Closing waits for a read: one that was given up does it itself, when it ends."""
        self._is_over = True
        if not self._is_reading:
            self._close()

    def _close(self) -> None:
        with suppress(BotoCoreError, HTTPError, OSError):  # it was read already
            self._body.close()

    def _read(self, size: int) -> bytes:
        """All of it, unless the answer ends before."""
        chunks: list[bytes] = []
        self._is_reading = True
        try:
            while size and not self._is_over and (chunk := self._body.read(size)):
                chunks.append(chunk)
                size -= len(chunk)
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        finally:
            self._is_reading = False
            if self._is_over:
                self._close()


# A session makes clients for one thread at a time.
_ONE_AT_A_TIME: Final = threading.Lock()


@cache
def _session() -> boto3.session.Session:
    """Kept: reading what S3 is takes it 0.2 s, and a process may open the store again and again."""
    return boto3.session.Session()


def _client(location: S3Location, stall_timeout_s: float) -> S3Client:
    # At DEBUG botocore logs whole requests with their signatures and session tokens.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("boto3").setLevel(logging.WARNING)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=min(_CONNECT_TIMEOUT_S, stall_timeout_s),
        read_timeout=stall_timeout_s,
        max_pool_connections=16,
        # Servers other than Amazon's often know neither its newest checksums nor virtual hosts.
        # What is uploaded carries Content-MD5, which all know and Object Lock asks for.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if location.endpoint_url else "auto",
            "payload_signing_enabled": True,  # every sent byte is under a SHA-256
        },
    )
    try:
        # Without credentials in the settings it is the environment's business whose they are.
        session = _session() if location.access_key_id else boto3.session.Session()
        with _ONE_AT_A_TIME:
            client = session.client(
                "s3",
                endpoint_url=location.endpoint_url or None,
                region_name=location.region or None,
                aws_access_key_id=location.access_key_id or None,
                aws_secret_access_key=location.secret_access_key or None,
                config=config,
            )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(
            f"S3 cannot be used as it is set ({type(error).__name__}).",
            remedy="Check ONYX_S3_ENDPOINT_URL (http:// or https://), ONYX_S3_REGION and, where no"
            " access key is set, the AWS profile of this user.",
        ) from None
    client.meta.events.register("before-call.s3.HeadBucket", _ask_no_further)
    for listing in ("ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"):
        client.meta.events.register(f"before-parse.s3.{listing}", _require_an_end)
    return client


def _ask_no_further(params: dict[str, Any], **_: object) -> None:
    """botocore asks HeadBucket where a redirection does not say the region: when that is redirected
    too it asks again, without end."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _require_an_end(response_dict: Mapping[str, Any], **_: object) -> None:
    """botocore takes whatever is not "true" for false, and so the page for the last one."""
    body = response_dict["body"]
    if response_dict["status_code"] == 200 and not re.search(
        rb">\s*(true|false)\s*</IsTruncated>", body
    ):
        raise ValueError("IsTruncated")
