"""An attacker with the bucket's credentials deletes and overwrites; the owner brings all back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import copy_set
from onyx_pipelines.vault.layout import manifest_key, object_key
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.recovering import Recovery, plan_recovery, recover
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines.vault.verification import verify
from onyx_pipelines_tests.vault.planted_sets import Planter, local, planter
from onyx_pipelines_tests.vault.sets import trust
from onyx_pipelines_tests.vault.stores.moto_server import client_of

__all__ = ["local", "planter"]

DUMP = "postgresql/onyx.dump.zst.sealed"


@pytest.fixture
def store(lockable: S3Location) -> S3Store:
    return S3Store(lockable, stall_timeout_s=20, lock_days=35)


@pytest.fixture
def backup_id(planter: Planter, local: LocalStore, store: S3Store) -> str:
    identity = planter.plant(local)
    copy_set(local, store, identity, trust())
    return identity


def everybody(manifest: Manifest) -> bool:
    return True


def undo(store: S3Store) -> Recovery:
    recovery = plan_recovery(store, trusts=everybody)
    for step in recovery.steps:
        recover(store, step)
    return recovery


def test_a_store_in_which_nothing_happened_needs_nothing(store: S3Store, backup_id: str) -> None:
    assert plan_recovery(store, trusts=everybody) == Recovery((), ())


def test_deleted_objects_come_back(store: S3Store, backup_id: str) -> None:
    for each in list(store.list("")):
        store.delete(each.key)
        store.delete(each.key)

    recovery = undo(store)

    assert recovery.backup_ids == (backup_id,)
    assert {step.happened for step in recovery.steps} == {"deleted"}
    assert recovery.steps[-1].key == manifest_key(backup_id)
    assert verify(store, backup_id, None).intact
    assert [view.backup_id for view in Catalog([store], trust()).sets()] == [backup_id]


def test_overwritten_objects_and_manifests_come_back(
    planter: Planter, store: S3Store, backup_id: str
) -> None:
    store.put(object_key(backup_id, DUMP), b"garbage")
    store.put(object_key(backup_id, DUMP), bytes(len(planter.objects[DUMP])))
    store.put(manifest_key(backup_id), b"{}")

    recovery = undo(store)

    assert {step.happened for step in recovery.steps} == {"overwritten"}
    assert verify(store, backup_id, None).intact
    assert plan_recovery(store, trusts=everybody) == Recovery((), ())


def test_garbage_that_is_locked_itself_is_covered_by_a_copy(
    lockable: S3Location, store: S3Store, backup_id: str
) -> None:
    S3Store(lockable, lock_days=3000).put(object_key(backup_id, DUMP), b"for eight years")

    undo(store)

    assert verify(store, backup_id, None).intact


def test_a_manifest_that_does_not_count_is_passed_over(
    planter: Planter, local: LocalStore, store: S3Store, backup_id: str
) -> None:
    real = local.get(manifest_key(backup_id))
    store.put(manifest_key(backup_id), real.replace(b'"host": "', b'"host": "forged-'))

    recovery = plan_recovery(store, trusts=lambda manifest: "forged" not in manifest.host)
    for step in recovery.steps:
        recover(store, step)

    assert store.get(manifest_key(backup_id)) == real


def test_nothing_younger_than_the_given_moment_is_believed(
    planter: Planter, local: LocalStore, store: S3Store, backup_id: str
) -> None:
    real = local.get(manifest_key(backup_id))
    written = max(each.modified_at for each in store.list(""))
    _wait_for_the_next_second(store, written)
    store.put(manifest_key(backup_id), real.replace(b'"host": "', b'"host": "signed-by-thief-'))

    recovery = plan_recovery(store, trusts=everybody, as_of=written)

    assert [step.key for step in recovery.steps] == [manifest_key(backup_id)]


def test_what_nobody_can_bring_back_is_named(
    lockable: S3Location, planter: Planter, local: LocalStore
) -> None:
    store = S3Store(lockable)  # locks nothing
    backup_id = planter.plant(local)
    copy_set(local, store, backup_id, trust())
    key = object_key(backup_id, DUMP)
    store.put(key, b"garbage")
    oldest = store.versions.under(key)[-1]
    client_of(lockable).delete_object(
        Bucket=lockable.bucket, Key=f"{lockable.prefix}/{key}", VersionId=oldest.version
    )
    store.delete(key)

    recovery = plan_recovery(store, trusts=everybody)

    assert [lost.key for lost in recovery.lost] == [key]


def test_copies_of_the_audit_trail_come_back_as_they_were_first_written(store: S3Store) -> None:
    key = "audit/host/0123456789abcdef/0000000001-0000000002.jsonl"
    store.put(key, b"as it was\n")
    store.put(key, b"as somebody wants it\n")
    store.delete(key)

    undo(store)

    assert store.get(key) == b"as it was\n"


def test_a_store_without_versions_says_so(local: LocalStore) -> None:
    with pytest.raises(StoreError, match="keeps no versions"):
        plan_recovery(local, trusts=everybody)


def _wait_for_the_next_second(store: S3Store, moment: datetime) -> None:
    """S3 tells times in whole seconds."""
    while True:
        store.put("doctor/clock", b"")
        stored = store.stat("doctor/clock")
        assert stored is not None
        if stored.modified_at.astimezone(UTC) > moment:
            return
