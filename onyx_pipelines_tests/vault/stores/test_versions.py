"""Buckets that keep versions: what pruning frees there, what it may not, and what listings show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import copy_set
from onyx_pipelines.vault.pruning import prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines.vault.versions import NOTHING_LEFT, census, lifecycle_rule, purge
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, local, planter
from onyx_pipelines_tests.vault.sets import trust
from onyx_pipelines_tests.vault.stores.faulty_proxy import Fault, FaultyProxy
from onyx_pipelines_tests.vault.stores.moto_server import MotoServer, client_of

__all__ = ["local", "planter"]

ONE_DAY = RetentionPolicy(daily=1, weekly=0, monthly=0)
NO_VERSIONS_MAY_GO = Fault(
    lambda request: request.method == "DELETE" and "versionId=" in request.path,
    status=403,
    code="AccessDenied",
)


@pytest.fixture
def versioned(moto: MotoServer, tmp_path: Path) -> S3Location:
    return moto.location("versioned", f"test/{tmp_path.name}")


@pytest.fixture
def store(versioned: S3Location) -> S3Store:
    return S3Store(versioned)


def test_a_listing_shows_each_object_once_as_it_is_now(store: S3Store) -> None:
    for text in (b"first", b"second", b"and the third"):
        store.put("sets/a", text)
    store.put("sets/b", b"x")
    store.delete("sets/b")

    assert [(each.key, each.size_bytes) for each in store.list("sets/")] == [("sets/a", 13)]
    assert store.stat("sets/b") is None
    assert len(store.versions.under("sets/a")) == 3


def test_versions_come_newest_first_and_say_what_is_current(store: S3Store) -> None:
    store.put("sets/a", b"first")
    store.put("sets/a", b"second one")
    store.delete("sets/a")

    found = store.versions.under("sets/")

    assert (found[0].current, found[0].deletion) == (True, True)
    assert {each.size_bytes for each in found[1:]} == {5, 10}


def test_purging_frees_all_but_what_is_listed(store: S3Store) -> None:
    for text in (b"first", b"second"):
        store.put("sets/a", text)
        store.put("sets/b", text)
    store.delete("sets/b")

    assert purge(store, "sets/") == NOTHING_LEFT
    assert store.get("sets/a") == b"second"
    assert [each.key for each in store.versions.under("sets/")] == ["sets/a"]


def test_a_pruned_set_frees_its_space(
    planter: Planter, local: LocalStore, store: S3Store, tmp_path: Path
) -> None:
    new, old = planter.plant(local), planter.plant(local, days_ago=4)
    for each in (new, old):
        copy_set(local, store, each, trust())

    report = prune(
        Catalog([local, store], trust()), ONE_DAY, now=NOW, dry_run=False, state_dir=tmp_path
    )

    assert report.remaining_bytes == 0
    assert store.versions.under(f"sets/{old}/") == []
    assert Catalog([store], trust()).find("latest").backup_id == new


def test_what_the_credentials_may_not_free_is_counted_and_never_listed_again(
    planter: Planter, local: LocalStore, versioned: S3Location, store: S3Store, tmp_path: Path
) -> None:
    new, old = planter.plant(local), planter.plant(local, days_ago=4)
    for each in (new, old):
        copy_set(local, store, each, trust())
    with FaultyProxy(versioned.endpoint_url, NO_VERSIONS_MAY_GO) as proxy:
        limited = S3Store(S3Location(**{**vars(versioned), "endpoint_url": proxy.endpoint_url}))
        report = prune(
            Catalog([local, limited], trust()), ONE_DAY, now=NOW, dry_run=False, state_dir=tmp_path
        )

    removal = next(each for each in report.sets if each.store == "offsite")
    counted = census(store)
    assert report.ok
    assert removal.freed_bytes == 0
    assert removal.remains.size_bytes == report.remaining_bytes >= removal.size_bytes
    assert (counted.hidden_sets, counted.hidden_objects) == (1, 4)
    assert [view.backup_id for view in Catalog([store], trust()).sets()] == [new]


def test_the_lifecycle_rule_is_one_that_a_bucket_takes(versioned: S3Location) -> None:
    rule = json.loads(lifecycle_rule(f"{versioned.prefix}/", 35))
    client = client_of(versioned)

    client.put_bucket_lifecycle_configuration(Bucket=versioned.bucket, LifecycleConfiguration=rule)

    (stored,) = client.get_bucket_lifecycle_configuration(Bucket=versioned.bucket)["Rules"]
    assert stored["NoncurrentVersionExpiration"]["NoncurrentDays"] == 35


def test_the_page_on_object_lock_shows_that_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "object_lock.md").read_text(encoding="utf-8")

    assert f"\n{lifecycle_rule('PREFIX/', 35)}\n" in page


def test_a_bucket_without_versions_has_nothing_to_count(s3_store: S3Store) -> None:
    s3_store.put("sets/a", b"x")
    s3_store.put("sets/a", b"y")

    assert s3_store.versions.under("") == []
    assert purge(s3_store, "sets/") == NOTHING_LEFT
    assert s3_store.get("sets/a") == b"y"
