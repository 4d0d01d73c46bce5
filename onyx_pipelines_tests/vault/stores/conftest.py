"""Two real S3 servers for the tests of a process, and fresh stores in them and on disk."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from onyx_pipelines.sandbox.s3_server import S3Server
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines_tests.vault.stores.moto_server import MotoServer, client_of, moto

__all__ = ["moto"]


@pytest.fixture(scope="session", autouse=True)
def _one_boto3_session() -> Iterator[None]:
    """Each new one reads the same 2 MB of service descriptions again."""
    shared = boto3.session.Session()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("boto3.session.Session", lambda: shared)
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with (
        tempfile.TemporaryDirectory(prefix="onyx-s3-") as folder,
        S3Server(Path(folder)) as server,
    ):
        yield server


@pytest.fixture
def s3_location(s3_server: S3Server) -> S3Location:
    """A prefix of its own for each test."""
    return S3Location(
        bucket=s3_server.bucket,
        prefix=f"test/{uuid.uuid4()}",
        endpoint_url=s3_server.endpoint_url,
        region=s3_server.region,
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
    )


@pytest.fixture
def s3_store(s3_location: S3Location) -> S3Store:
    return S3Store(s3_location, stall_timeout_s=20)


@pytest.fixture(params=["seaweedfs", "moto"])
def lockable(request: pytest.FixtureRequest) -> S3Location:
    """A prefix in a bucket with Object Lock and no rule, of either server."""
    if request.param == "moto":
        moto: MotoServer = request.getfixturevalue("moto")
        return moto.location("lockable", f"test/{uuid.uuid4()}")
    plain: S3Location = request.getfixturevalue("s3_location")
    location = replace(plain, bucket="onyx-backups-lockable")
    client = client_of(location)
    if location.bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=location.bucket, ObjectLockEnabledForBucket=True)
    return location
