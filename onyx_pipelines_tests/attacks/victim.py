"""A host with a history of backups in two stores, and what must still be true after an attack."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from pydantic import ValidationError

from onyx_pipelines.backup import offsite_copies, steps, verifying
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.authenticity import signed
from onyx_pipelines.vault.manifest import BackupType, Manifest
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.attacks.reach import BucketReach, Loot
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

# One set each: six days, two weeks, two months, all of which the default policy keeps.
AGES_DAYS = (110, 75, 30, 16, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class Victim:
    """`history`: ids of its sets, oldest first; each holds a canary of its own."""

    host: HostUnderTest
    history: tuple[str, ...]
    canaries: tuple[bytes, ...]

    def lost(self, store: Store | None = None) -> list[str]:
        """Those of the history that a store (None: the local one) no longer lists, or of which a
        byte does not unseal to what it was."""
        opened = self.host.open()
        looked_at = store or opened.first
        listed = {view.backup_id for view in opened.catalog.sets() if looked_at.name in view.stores}
        return [
            each
            for each in self.history
            if each not in listed
            or not verifying.verify_set(opened, looked_at, each, silent, deep=True).ok
        ]

    def was_read(self, loot: Loot) -> bool:
        """Whether what the attacker saw has data or a secret of this host in it."""
        secrets = (secret.encode() for secret in self.host.secrets())
        return any(loot.holds(plain) for plain in (*self.canaries, *secrets))


def use_bucket(host: HostUnderTest, sandbox: Sandbox, bucket: str, prefix: str) -> None:
    """As the host's second store."""
    host.set(
        OFFSITE_URL=f"s3://{bucket}/{prefix}",
        S3_ENDPOINT_URL=sandbox.s3.endpoint_url,
        S3_REGION=sandbox.s3.region,
        S3_ACCESS_KEY_ID=sandbox.s3.access_key_id,
        S3_SECRET_ACCESS_KEY=sandbox.s3.secret_access_key,
    )


def with_history(host: HostUnderTest, ages_days: Sequence[int] = AGES_DAYS) -> Victim:
    """Backs up and copies once for each age; the sets' times lie that far back."""
    made = [_backup(host, datetime.now(UTC) - timedelta(days=days)) for days in ages_days]
    return Victim(host, tuple(each for each, _ in made), tuple(canary for _, canary in made))


def _backup(host: HostUnderTest, at: datetime) -> tuple[str, bytes]:
    backup_id, canary = str(uuid.uuid4()), f"canary {uuid.uuid4()}".encode()
    (host.volume / "canary.txt").write_bytes(canary)
    opened = host.open()
    steps.back_up_component(opened, backup_id, Component.VOLUMES, silent)
    SetWriter(opened.first, backup_id, opened.recipients()).complete(
        signing_key=opened.trust.signing_key(),
        components=[Component.VOLUMES],
        timestamp=at,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host=opened.name,
    )
    offsite_copies.copy_offsite(opened, backup_id, silent)
    return backup_id, canary


def bucket_reach(sandbox: Sandbox, bucket: str, prefix: str) -> BucketReach:
    """With the very credentials that the host has."""
    return BucketReach(_client(sandbox), bucket, f"{prefix}/")


def _client(sandbox: Sandbox) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=sandbox.s3.endpoint_url,
        region_name=sandbox.s3.region,
        aws_access_key_id=sandbox.s3.access_key_id,
        aws_secret_access_key=sandbox.s3.secret_access_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def locked_bucket(sandbox: Sandbox) -> str:
    """A new one with Object Lock."""
    name = f"locked-{uuid.uuid4()}"
    _client(sandbox).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def as_the_host(key: SigningKey) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Signs as a stolen signing key lets one: whatever is well-formed counts on that host."""

    def sign(document: dict[str, Any]) -> dict[str, Any]:
        try:
            manifest = Manifest.model_validate({**document, "signature": None})
        except ValidationError:
            return document
        return signed(manifest, key).model_dump(mode="json")

    return sign


def make_rescue_host(gone: HostUnderTest, escrow: Path) -> HostUnderTest:
    """A new machine with the escrow copy of the key, and the store, and nothing else."""
    for folder in ("state", "backups"):
        (gone.root / folder).mkdir(mode=0o700)
    gone.set(PRIVATE_KEY_FILE=escrow, SIGNERS_FILE=None, SIGNING_KEY_FILE=None, VOLUMES=None)
    return gone


def after_this_second() -> str:
    """Waits for the next one (stores tell times in whole seconds); gives the one that ended."""
    ended = datetime.now(UTC).replace(microsecond=0)
    while datetime.now(UTC) < ended + timedelta(seconds=1.1):
        time.sleep(0.05)
    return f"{ended:%Y-%m-%dT%H:%M:%S}"
