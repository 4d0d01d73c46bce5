"""A store in a bucket of Amazon S3 or of any server that speaks its protocol.

botocore does signatures, retries and time limits; credentials go to it and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from onyx_pipelines.errors import SettingsError, StoreError
from onyx_pipelines.vault.stores.multipart import Upload, abort_upload, content_md5
from onyx_pipelines.vault.stores.s3_errors import (
    Place,
    absent,
    code_of,
    cut_short,
    translated,
)
from onyx_pipelines.vault.stores.store import (
    SMALL_OBJECT_LIMIT_BYTES,
    ObjectReader,
    ObjectWriter,
    Removed,
    StoredObject,
    check_key,
    is_key,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ATTEMPTS = 5
_CONNECT_TIMEOUT_S = 20.0
_ABSENT = frozenset({"NoSuchKey", "404"})

_PATIENCE_WHEN_ENDED_S = 5.0


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
    """

    def __init__(
        self,
        location: S3Location,
        *,
        name: str = "offsite",
        stall_timeout_s: float = 300.0,
        spool_dir: Path | None = None,
    ) -> None:
        self._name = name
        self._bucket = location.bucket
        self._prefix = f"{location.prefix.strip('/')}/" if location.prefix.strip("/") else ""
        self._spool_dir = spool_dir
        self._place = Place(
            url=f"s3://{location.bucket}/{self._prefix}".rstrip("/"),
            endpoint_url=location.endpoint_url or f"Amazon S3 ({location.region})",
        )
        self._client = _client(location, stall_timeout_s)

    @property
    def name(self) -> str:
        return self._name

    @property
    def url(self) -> str:
        return self._place.url

    @contextmanager
    def create(self, key: str) -> Iterator[ObjectWriter]:
        upload = Upload(
            self._client, self._place, self._bucket, self._full_name(key), self._spool_dir
        )
        try:
            yield upload
            upload.complete()
        except BaseException as error:
            try:
                # Whoever ends a run does not wait for a server that hangs.
                is_ended = not isinstance(error, Exception)
                upload.abort(patience_s=_PATIENCE_WHEN_ENDED_S if is_ended else None)
            except StoreError as left:
                error.add_note(f"{left.what} The next sweep removes what was sent of it.")
            raise
        finally:
            upload.close()

    @contextmanager
    def open(self, key: str) -> Iterator[ObjectReader]:
        name = self._full_name(key)
        with translated(self._place, f"read {key}"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    raise absent(self._place, key) from None
                raise
        body = answer["Body"]
        try:
            yield _Reader(self._place, key, body, answer["ContentLength"])
        finally:
            with suppress(BotoCoreError, HTTPError, OSError):
                body.close()

    def put(self, key: str, data: bytes) -> None:
        with translated(self._place, f"write {key}"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._full_name(key),
                Body=data,
                ContentMD5=content_md5(data),
            )

    def get(self, key: str, *, limit_bytes: int = SMALL_OBJECT_LIMIT_BYTES) -> bytes:
        with self.open(key) as reader:
            data = reader.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise StoreError(
                f"{key} in {self.url} is larger than {limit_bytes} bytes.",
                remedy="It is not what its name says: look at the object.",
            )
        return data

    def stat(self, key: str) -> StoredObject | None:
        with translated(self._place, f"look at {key}"):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=self._full_name(key))
            except ClientError as error:
                if code_of(error) not in _ABSENT:
                    raise
                # A HEAD has no body: only the bucket's own says whether there is a bucket.
                self._client.head_bucket(Bucket=self._bucket)
                return None
        return StoredObject(key, answer["ContentLength"], answer["LastModified"].astimezone(UTC))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        found: dict[str, StoredObject] = {}
        with translated(self._place, f"list {prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self._prefix)
                    if is_key(key):
                        modified = item["LastModified"].astimezone(UTC)
                        found[key] = StoredObject(key, item["Size"], modified)
        # Not every server lists in the order that S3 promises.
        yield from (found[key] for key in sorted(found))

    def delete(self, key: str) -> None:
        with translated(self._place, f"delete {key}"):
            try:
                self._client.delete_object(Bucket=self._bucket, Key=self._full_name(key))
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise

    def sweep(self, prefix: str, *, older_than: datetime, dry_run: bool = False) -> Removed:
        with translated(self._place, f"sweep {prefix}"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            unfinished = [
                (item["Key"], item["UploadId"])
                for page in pages
                for item in page.get("Uploads", [])
                if item["Initiated"] < older_than
            ]
            for name, upload_id in unfinished if not dry_run else ():
                abort_upload(self._client, self._bucket, name, upload_id)
        return sorted(
            f"{name.removeprefix(self._prefix)} (unfinished upload)" for name, _ in unfinished
        )

    def _full_name(self, key: str) -> str:
        return self._prefix + check_key(key)


class _Reader:
    def __init__(self, place: Place, key: str, body: StreamingBody, size_bytes: int) -> None:
        self._place = place
        self._key = key
        self._body = body
        self._left = size_bytes

    def read(self, size: int, /) -> bytes:
        if size < 0:
            raise ValueError("read needs a size")
        chunks: list[bytes] = []
        wanted = min(size, self._left)
        while wanted:
            with translated(self._place, f"read {self._key}"):
                chunk = self._body.read(wanted)
            if not chunk:
                raise cut_short(self._place, self._key, self._left)
            chunks.append(chunk)
            wanted -= len(chunk)
            self._left -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _client(location: S3Location, stall_timeout_s: float) -> S3Client:
    # At DEBUG botocore logs whole requests with their signatures and session tokens.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("boto3").setLevel(logging.WARNING)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
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
        return boto3.session.Session().client(
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
