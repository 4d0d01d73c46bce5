"""Object Lock on two S3 servers: set at each upload, read back, waited for, undone by nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from onyx_pipelines.core.errors import SettingsError, StoreError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import copy_set
from onyx_pipelines.vault.layout import manifest_key, mark_key, object_key
from onyx_pipelines.vault.marks import Mark, put_pruned
from onyx_pipelines.vault.pruning import PruneReport, prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines.vault.versions import census
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, planter
from onyx_pipelines_tests.vault.sets import trust
from onyx_pipelines_tests.vault.stores.moto_server import MotoServer, client_of

__all__ = ["local", "planter"]

DAYS = 35
SEALED = "sets/{}/postgresql/onyx.dump.zst.sealed".format("0" * 8 + "-0000-0000-0000-" + "0" * 12)
ONE_DAY = RetentionPolicy(daily=1, weekly=0, monthly=0)


@pytest.fixture
def locking(lockable: S3Location) -> S3Store:
    return S3Store(lockable, stall_timeout_s=20, lock_days=DAYS)


def write(store: S3Store, key: str, size: int) -> None:
    with store.create(key) as writer:
        writer.write(bytes(size))


def pruned(
    store: S3Store, local: LocalStore, tmp_path: Path, *, dry_run: bool = False
) -> PruneReport:
    return prune(
        Catalog([local, store], trust()), ONE_DAY, now=NOW, dry_run=dry_run, state_dir=tmp_path
    )


class TestOfAnUpload:
    @pytest.mark.parametrize("size", [10, 9 * 1024 * 1024])
    def test_what_is_written_once_is_locked_for_as_long_as_asked(
        self, locking: S3Store, size: int
    ) -> None:
        write(locking, SEALED, size)
        locking.locks.confirm(SEALED)

        lock = locking.locks.of(SEALED)

        assert lock is not None
        assert lock.final
        assert timedelta(DAYS) < lock.until - datetime.now(UTC) < timedelta(DAYS + 1.1)

    def test_marks_are_not_locked(self, locking: S3Store) -> None:
        key = mark_key("0" * 8 + "-0000-0000-0000-" + "0" * 12, Mark.VERIFIED)
        locking.put(key, b"{}")

        locking.locks.confirm(key)

        assert locking.locks.of(key) is None

    def test_what_was_written_long_ago_is_locked_for_longer_at_the_end(
        self, lockable: S3Location, locking: S3Store
    ) -> None:
        S3Store(lockable, lock_days=3).put(SEALED, b"begun days ago")

        locking.locks.confirm(SEALED)

        lock = locking.locks.of(SEALED)
        assert lock is not None
        assert lock.until - datetime.now(UTC) > timedelta(DAYS)

    def test_nobody_can_delete_it(self, lockable: S3Location, locking: S3Store) -> None:
        locking.put(SEALED, b"x")
        client, name = client_of(lockable), f"{lockable.prefix}/{SEALED}"
        version = client.head_object(Bucket=lockable.bucket, Key=name)["VersionId"]

        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=lockable.bucket, Key=name, VersionId=version)


class TestOfABucketThatDoesNotLock:
    def test_a_plain_bucket_is_named_by_the_upload_and_by_the_check(
        self, s3_location: S3Location
    ) -> None:
        store = S3Store(s3_location, lock_days=DAYS)

        for use in (lambda: store.put(SEALED, b"x"), store.locks.check):
            with pytest.raises(StoreError) as caught:
                use()
            assert "ONYX_OFFSITE_LOCK_DAYS" in caught.value.remedy
            assert not caught.value.transient

    def test_a_lock_that_the_store_forgets_fails_the_copy(
        self,
        planter: Planter,
        local: LocalStore,
        lockable: S3Location,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        backup_id = planter.plant(local)
        store = S3Store(lockable, lock_days=DAYS)
        forgetful = S3Store(lockable, lock_days=DAYS)
        monkeypatch.setattr(type(forgetful.locks), "of_upload", lambda self, key: {})
        monkeypatch.setattr(type(forgetful.locks), "of", lambda self, key, version="": None)

        with pytest.raises(StoreError, match=f"does not lock for {DAYS} days"):
            copy_set(local, forgetful, backup_id, trust())

        assert store.stat(manifest_key(backup_id)) is None

    def test_a_directory_cannot_lock(self, tmp_path: Path) -> None:
        settings = {"offsite_url": (tmp_path / "second").as_uri(), "offsite_lock_days": DAYS}

        with pytest.raises(SettingsError, match="locks nothing"):
            open_stores(load_settings({"backup_dir": tmp_path / "first", **settings}))


class TestOfACopiedSet:
    def test_everything_but_marks_is_locked(
        self, planter: Planter, local: LocalStore, locking: S3Store
    ) -> None:
        backup_id = planter.plant(local)

        copy_set(local, locking, backup_id, trust())

        unlocked = [
            key
            for key in keys_of(locking, backup_id)
            if locking.locks.of(object_key(backup_id, key)) is None
        ]
        assert unlocked == ["marks/verified.json"]

    def test_it_waits_whole_and_listed_when_retention_wants_it_gone(
        self, planter: Planter, local: LocalStore, locking: S3Store, tmp_path: Path
    ) -> None:
        new, old = planter.plant(local), planter.plant(local, days_ago=4)
        for each in (new, old):
            copy_set(local, locking, each, trust())
        before = keys_of(locking, old)

        planned = pruned(locking, local, tmp_path, dry_run=True)
        report = pruned(locking, local, tmp_path)

        (waiting,) = report.waiting
        assert report.ok
        assert planned.waiting == report.waiting
        assert (waiting.store, waiting.what) == ("offsite", old)
        assert waiting.locked_until > datetime.now(UTC) + timedelta(DAYS)
        assert [(each.store, each.what) for each in report.sets] == [("local", old)]
        assert keys_of(locking, old) == before
        assert Catalog([locking], trust()).find(old).backup_id == old
        assert census(locking).hidden_objects == 0

    def test_objects_of_a_copy_that_was_given_up_wait_too(
        self, planter: Planter, local: LocalStore, locking: S3Store, tmp_path: Path
    ) -> None:
        backup_id = planter.plant(local)
        copy_set(local, locking, backup_id, trust())
        locking.delete(manifest_key(backup_id))
        put_pruned(locking, backup_id, trust().signing_key())
        before = keys_of(locking, backup_id)

        report = prune(
            Catalog([locking], trust()), ONE_DAY, now=NOW, dry_run=False, state_dir=tmp_path
        )

        assert report.ok
        assert len(report.waiting) == 1
        assert keys_of(locking, backup_id) == before

    def test_it_goes_when_its_locks_have_ended_and_every_version_with_it(
        self, planter: Planter, local: LocalStore, moto: MotoServer, tmp_path: Path
    ) -> None:
        location = moto.location("lockable", f"test/{planter.manifest.backup_id}")
        store = S3Store(location, lock_days=DAYS)
        new, old = planter.plant(local), planter.plant(local, days_ago=4)
        for each in (new, old):
            copy_set(local, store, each, trust())
        _end_locks(location)

        report = pruned(store, local, tmp_path)

        assert report.waiting == ()
        assert [each.what for each in report.sets] == [old, old]
        assert store.versions.under(f"sets/{old}/") == []
        assert census(store).hidden_objects == 0


def _end_locks(location: S3Location) -> None:
    """moto, other than S3, lets a COMPLIANCE lock be shortened: time passes."""
    client = client_of(location)
    listed = client.list_object_versions(Bucket=location.bucket, Prefix=location.prefix)
    for version in listed["Versions"]:
        client.put_object_retention(
            Bucket=location.bucket,
            Key=version["Key"],
            VersionId=version["VersionId"],
            Retention={
                "Mode": "COMPLIANCE",
                "RetainUntilDate": datetime.now(UTC) - timedelta(minutes=1),
            },
        )
