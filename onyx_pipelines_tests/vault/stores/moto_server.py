"""moto's S3 server as a process: a second implementation, with versions and Object Lock.

It checks no signature and keeps objects in memory; it dies with the tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import boto3
import pytest

from onyx_pipelines.vault.stores.s3 import S3Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BucketKind = Literal["plain", "versioned", "lockable", "locking"]
DEFAULT_LOCK_DAYS = 30
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_PROGRAM = (
    "import ctypes, signal\n"
    f"ctypes.CDLL(None).prctl({_DIE_WITH_PARENT}, signal.SIGKILL)\n"
    "from moto.server import ThreadedMotoServer\n"
    "server = ThreadedMotoServer('127.0.0.1', port=0, verbose=False)\n"
    "server.start()\n"
    "print(server.get_host_and_port()[1], flush=True)\n"
    "signal.pause()\n"
)


def client_of(location: S3Location) -> S3Client:
    """An attacker's with the same credentials, a provider's, a person's with other tools."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=location.endpoint_url,
        region_name=location.region,
        aws_access_key_id=location.access_key_id,
        aws_secret_access_key=location.secret_access_key,
    )


@dataclass
class MotoServer:
    """Context manager. Buckets are made on demand, one of each kind:

    `lockable` has Object Lock and no rule; `locking` locks whatever is put into it by its default
    retention (COMPLIANCE).
    """

    endpoint_url: str = ""

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._child.stdout is not None
        self.endpoint_url = f"http://127.0.0.1:{int(self._child.stdout.readline())}"
        self._client = client_of(self._at("none", ""))
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._child.kill()
        self._child.communicate()

    def location(self, kind: BucketKind, prefix: str) -> S3Location:
        bucket = f"onyx-backups-{kind}"
        if bucket not in {each["Name"] for each in self._client.list_buckets()["Buckets"]}:
            self._make(bucket, kind)
        return self._at(bucket, prefix)

    def _at(self, bucket: str, prefix: str) -> S3Location:
        return S3Location(
            bucket=bucket,
            prefix=prefix,
            endpoint_url=self.endpoint_url,
            access_key_id="anybody",
            secret_access_key="anything",
        )

    def _make(self, bucket: str, kind: BucketKind) -> None:
        self._client.create_bucket(
            Bucket=bucket, ObjectLockEnabledForBucket=kind in ("lockable", "locking")
        )
        if kind == "versioned":
            self._client.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        if kind == "locking":
            self._client.put_object_lock_configuration(
                Bucket=bucket,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": DEFAULT_LOCK_DAYS}},
                },
            )


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server
