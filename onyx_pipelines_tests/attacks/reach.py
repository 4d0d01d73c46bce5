"""What an attacker has a hand on: a bucket with its credentials, or a directory; past our code.

All that is read is kept as loot, to be searched for what must not be readable.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError


@dataclass
class Loot:
    """The bytes that an attacker got to see, each distinct content once."""

    seen: set[bytes] = field(default_factory=set)

    def took(self, data: bytes) -> bytes:
        self.seen.add(data)
        return data

    def holds(self, plain: bytes) -> bool:
        return any(plain in data for data in self.seen)


class Reach(Protocol):
    """Keys are those of a store: `sets/<backup_id>/…`."""

    def listed(self) -> list[str]: ...

    def read(self, key: str) -> bytes | None: ...

    def write(self, key: str, data: bytes) -> None: ...

    def delete(self, key: str) -> None: ...


@dataclass
class DirectoryReach:
    """Files below a directory, as the user that this process runs as."""

    root: Path
    loot: Loot = field(default_factory=Loot)

    def listed(self) -> list[str]:
        return sorted(
            str(Path(folder, name).relative_to(self.root))
            for folder, _, names in os.walk(self.root)
            for name in names
        )

    def read(self, key: str) -> bytes | None:
        try:
            return self.loot.took((self.root / key).read_bytes())
        except OSError:
            return None

    def write(self, key: str, data: bytes) -> None:
        with suppress(OSError):
            (self.root / key).parent.mkdir(parents=True, exist_ok=True)
            (self.root / key).write_bytes(data)

    def delete(self, key: str) -> None:
        with suppress(OSError):
            (self.root / key).unlink()


@dataclass
class BucketReach:
    """A prefix of a bucket, with every right that its credentials have.

    A deletion goes for each version by every way that the protocol offers, and for the locks.
    """

    client: Any
    bucket: str
    prefix: str
    loot: Loot = field(default_factory=Loot)
    _known: list[str] = field(default_factory=list)
    _asked: int = 0

    def listed(self) -> list[str]:
        """As a tenth of the calls find it: listing all of a bucket is most of an attack's time."""
        if self._asked % 10 == 0:
            self._known = self._listed()
        self._asked += 1
        return self._known

    def _listed(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        return sorted(
            item["Key"].removeprefix(self.prefix)
            for page in pages
            for item in page.get("Contents", [])
        )

    def read(self, key: str) -> bytes | None:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
        except ClientError:
            return None
        return self.loot.took(answer["Body"].read())

    def write(self, key: str, data: bytes) -> None:
        with suppress(ClientError):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def delete(self, key: str) -> None:
        name = self.prefix + key
        for version in self._versions(name):
            self._unlock(name, version)
            self._try("delete_object", name, version, BypassGovernanceRetention=True)
        self._try("delete_object", name, None)

    def close_the_bucket(self) -> None:
        """What destroys everything at once, where the server lets it."""
        for call, arguments in (
            ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
            ("put_object_lock_configuration", {"ObjectLockConfiguration": {}}),
            ("delete_bucket", {}),
        ):
            with suppress(ClientError):
                getattr(self.client, call)(Bucket=self.bucket, **arguments)

    def _versions(self, name: str) -> list[str]:
        with suppress(ClientError):
            answer = self.client.list_object_versions(Bucket=self.bucket, Prefix=name)
            return [
                item["VersionId"]
                for kind in ("Versions", "DeleteMarkers")
                for item in answer.get(kind, [])
                if item["Key"] == name and kind == "Versions"
            ]
        return []

    def _unlock(self, name: str, version: str) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        for mode in ("COMPLIANCE", "GOVERNANCE"):
            self._try(
                "put_object_retention",
                name,
                version,
                BypassGovernanceRetention=True,
                Retention={"Mode": mode, "RetainUntilDate": soon},
            )

    def _try(self, call: str, name: str, version: str | None, **arguments: Any) -> None:
        if version is not None and version != "null":
            arguments["VersionId"] = version
        with suppress(ClientError):
            getattr(self.client, call)(Bucket=self.bucket, Key=name, **arguments)
