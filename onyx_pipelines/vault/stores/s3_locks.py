"""Object Lock: retention set with each upload, and read back from the bucket.

COMPLIANCE mode: nobody shortens it, the account's owner included. Uploads ask for a day more than
`days`, so that a set whose copy takes hours is locked for `days` from its end on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from onyx_pipelines.core.errors import RefusedError, StoreError
from onyx_pipelines.core.text import day_text
from onyx_pipelines.vault.layout import is_written_once
from onyx_pipelines.vault.stores.s3_calls import Bucket
from onyx_pipelines.vault.stores.s3_errors import AbsentError, NoObjectLockError
from onyx_pipelines.vault.stores.store import Lock

_MARGIN = timedelta(days=1)
# A legal hold ends when somebody lifts it.
_NO_END = datetime.max.replace(tzinfo=UTC)
_COMPLIANCE = "COMPLIANCE"


@dataclass(frozen=True)
class S3Locks:
    """`now` is this host's clock; a bucket's own clock decides in the end."""

    bucket: Bucket
    days: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def covers(self, key: str) -> bool:
        return self.days > 0 and is_written_once(key)

    def of_upload(self, key: str) -> dict[str, Any]:
        """What PutObject or CreateMultipartUpload is told."""
        if not self.covers(key):
            return {}
        return {
            "ObjectLockMode": _COMPLIANCE,
            "ObjectLockRetainUntilDate": self._from_now() + _MARGIN,
        }

    @contextmanager
    def explained(self, key: str) -> Iterator[None]:
        """An upload that a bucket without Object Lock refused, said as what it is: servers have
        different words for it."""
        try:
            yield
        except StoreError as error:
            if self.covers(key) and not error.transient:
                self.check()
            raise

    def check(self) -> None:
        if not self.days:
            return
        ask = self.bucket.client.get_object_lock_configuration
        try:
            answer = self.bucket.call("read the Object Lock configuration", ask)
        except RefusedError:
            return  # what is uploaded is read back in any case
        except NoObjectLockError:
            raise self._unlocked("the bucket has no Object Lock") from None
        if answer.values.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise self._unlocked("the bucket has no Object Lock")

    def of(self, key: str, version: str = "") -> Lock | None:
        chosen: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            answer = self.bucket.call(
                f"look at the lock of {key}",
                self.bucket.client.head_object,
                Key=self.bucket.full_name(key),
                **chosen,
            )
        except AbsentError:
            return None
        if answer.values.get("ObjectLockLegalHoldStatus") == "ON":
            return Lock(_NO_END, final=False)
        mode = answer.values.get("ObjectLockMode")
        if not mode:
            return None
        until = answer.time("ObjectLockRetainUntilDate")
        return Lock(until, final=mode == _COMPLIANCE) if until > self.now() else None

    def confirm(self, key: str) -> None:
        if not self.covers(key) or self._holds(key):
            return
        self.bucket.call(
            f"lock {key}",
            self.bucket.client.put_object_retention,
            Key=self.bucket.full_name(key),
            Retention={"Mode": _COMPLIANCE, "RetainUntilDate": self._from_now() + _MARGIN},
        )
        if not self._holds(key):
            raise self._unlocked(
                f"{key} was to be locked until {day_text(self._from_now())} or later, and is not"
            )

    def _holds(self, key: str) -> bool:
        lock = self.of(key)
        return lock is not None and lock.final and lock.until >= self._from_now()

    def _from_now(self) -> datetime:
        return (self.now() + timedelta(days=self.days)).replace(microsecond=0)

    def _unlocked(self, problem: str) -> StoreError:
        return StoreError(
            f"{self.bucket.place.url} does not lock for {self.days} days: {problem}.",
            remedy="Use a bucket that was created with Object Lock and a key that may do"
            " s3:PutObjectRetention and s3:GetObjectRetention, or set ONYX_OFFSITE_LOCK_DAYS=0.",
        )
