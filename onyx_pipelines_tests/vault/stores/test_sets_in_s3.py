"""Whole sets in a real S3: copied, interrupted, found, held, pruned and swept."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.sandbox.s3_server import S3Server
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import copy_set
from onyx_pipelines.vault.pruning import prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines_tests.children import child
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, planter
from onyx_pipelines_tests.vault.sets import trust
from onyx_pipelines_tests.vault.stores.faulty_proxy import Fault, FaultyProxy

__all__ = ["local", "planter"]

ONE_DAY = RetentionPolicy(daily=1, weekly=0, monthly=0)
LATER = datetime.now(UTC) + timedelta(days=3)
KILLED_UPLOAD = (
    "import os\n"
    "from onyx_pipelines.core.settings import load_settings\n"
    "from onyx_pipelines.vault.stores import open_stores\n"
    "store = open_stores(load_settings())[1]\n"
    "with store.create('sets/half/object') as writer:\n"
    "    for _ in range(40):\n"
    "        writer.write(bytes(1024 * 1024))\n"
    "    print('uploading', flush=True)\n"
    "    input()\n"
)


def test_a_set_is_copied_found_held_and_pruned(
    planter: Planter, local: LocalStore, s3_store: S3Store, tmp_path: Path
) -> None:
    new, old = planter.plant(local), planter.plant(local, days_ago=4)
    catalog = Catalog([local, s3_store], trust())
    for backup_id in (new, old):
        copy_set(local, s3_store, backup_id, trust())
    copied = [(view.backup_id, view.stores) for view in catalog.sets()]

    catalog.hold(old, "audit", now=NOW)
    while_held = prune(catalog, ONE_DAY, now=NOW, dry_run=False, state_dir=tmp_path)
    catalog.release(old)
    released = prune(catalog, ONE_DAY, now=NOW, dry_run=False, state_dir=tmp_path)

    assert copied == [(new, ("local", "offsite")), (old, ("local", "offsite"))]
    assert while_held.sets == ()
    assert [removal.what for removal in released.sets] == [old, old]
    assert keys_of(s3_store, old) == []
    assert Catalog([s3_store], trust()).find("latest").backup_id == new


@pytest.mark.parametrize("number", [1, 4, 8, 12])
def test_a_copy_that_s3_interrupts_lists_nothing_and_goes_on_later(
    planter: Planter,
    local: LocalStore,
    s3_server: S3Server,
    s3_location: S3Location,
    s3_store: S3Store,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    backup_id = planter.plant(local)
    fault = Fault(lambda request: request.number >= number, status=503, code="SlowDown")
    with FaultyProxy(s3_server.endpoint_url, fault) as proxy:
        broken = S3Store(
            S3Location(**{**vars(s3_location), "endpoint_url": proxy.endpoint_url}),
            stall_timeout_s=20,
        )
        with pytest.raises(StoreError) as caught:
            copy_set(local, broken, backup_id, trust())
    after_the_failure = Catalog([s3_store], trust()).sets()

    copy_set(local, s3_store, backup_id, trust())

    assert caught.value.transient
    assert after_the_failure == []
    assert [view.backup_id for view in Catalog([s3_store], trust()).sets()] == [backup_id]


def test_what_a_killed_upload_leaves_is_never_listed_and_is_swept(
    planter: Planter, local: LocalStore, s3_location: S3Location, s3_store: S3Store, tmp_path: Path
) -> None:
    environment = {
        "ONYX_OFFSITE_URL": f"s3://{s3_location.bucket}/{s3_location.prefix}",
        "ONYX_S3_ENDPOINT_URL": s3_location.endpoint_url,
        "ONYX_S3_ACCESS_KEY_ID": s3_location.access_key_id,
        "ONYX_S3_SECRET_ACCESS_KEY": s3_location.secret_access_key,
    }
    with child(KILLED_UPLOAD, environment=environment) as upload:
        upload.line()
    planter.plant(local)
    catalog = Catalog([local, s3_store], trust())

    listed = list(s3_store.list(""))
    early = prune(catalog, ONE_DAY, now=NOW, dry_run=False, state_dir=tmp_path)
    late = prune(catalog, ONE_DAY, now=LATER, dry_run=False, state_dir=tmp_path)

    assert listed == []
    assert early.leftovers == ()
    assert [each.what for each in late.leftovers if each.store == "offsite"] == [
        "sets/half/object (unfinished upload)"
    ]
    assert s3_store.sweep("", older_than=LATER) == []


@pytest.mark.measures
def test_forty_sets_in_s3_are_listed_quickly(planter: Planter, s3_store: S3Store) -> None:
    for day in range(40):
        planter.plant(s3_store, days_ago=day)
    started = time.monotonic()

    assert len(Catalog([s3_store], trust()).sets()) == 40
    assert time.monotonic() - started < 5
