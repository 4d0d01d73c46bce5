"""What a bucket with versions keeps of overwritten and deleted objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.core.errors import RefusedError
from onyx_pipelines.vault.stores.s3_calls import Answer, Bucket
from onyx_pipelines.vault.stores.s3_errors import AbsentError
from onyx_pipelines.vault.stores.store import ObjectReader, StoredVersion, is_key

_MARKERS: Final = {"NextKeyMarker": "KeyMarker", "NextVersionIdMarker": "VersionIdMarker"}


@dataclass(frozen=True)
class S3Versions:
    """`read` opens one version of a key."""

    bucket: Bucket
    read: Callable[[str, str], AbstractContextManager[ObjectReader]]

    def under(self, prefix: str) -> list[StoredVersion]:
        if not self._kept():
            return []
        found = list(self._listed(prefix))
        # Stable, so that within a key the server's order stays: newest first.
        return sorted(
            found, key=lambda each: (each.key, not each.current, -each.modified_at.timestamp())
        )

    def open(self, version: StoredVersion) -> AbstractContextManager[ObjectReader]:
        return self.read(version.key, version.version)

    def remove(self, version: StoredVersion) -> None:
        try:
            self.bucket.call(
                f"delete a version of {version.key}",
                self.bucket.client.delete_object,
                Key=self.bucket.full_name(version.key),
                VersionId=version.version,
            ).require_emptied()
        except AbsentError:
            return

    def _kept(self) -> bool:
        """Unknown counts as yes: the listing shows."""
        try:
            answer = self.bucket.call("ask for versions", self.bucket.client.get_bucket_versioning)
        except RefusedError:
            return True
        return "Status" in answer.values

    def _listed(self, prefix: str) -> Iterator[StoredVersion]:
        action = f"list versions of {prefix}"
        ask = self.bucket.client.list_object_versions
        lists = ("Versions", "DeleteMarkers")
        for name, item in self.bucket.pages(action, ask, _MARKERS, prefix, lists):
            key = item.text("Key").removeprefix(self.bucket.prefix)
            if is_key(key):
                yield _version(key, item, deletion=name == "DeleteMarkers")


def _version(key: str, item: Answer, *, deletion: bool) -> StoredVersion:
    return StoredVersion(
        key,
        item.text("VersionId"),
        0 if deletion else item.size("Size"),
        item.time("LastModified"),
        current=item.flag("IsLatest"),
        deletion=deletion,
    )
