"""What is found in the stores, what is not taken for a set, and the marks on sets."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import Catalog, rows
from onyx_pipelines.vault.layout import manifest_key, mark_key, object_key
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.scanning import ScanMemory
from onyx_pipelines.vault.store_plans import store_plans
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, offsite, planter
from onyx_pipelines_tests.vault.sets import FailingStore, new_id, trust

__all__ = ["local", "offsite", "planter"]

HOUR = timedelta(hours=1)


@pytest.fixture
def catalog(local: LocalStore, offsite: LocalStore) -> Catalog:
    return Catalog([local, offsite], trust())


def test_an_empty_store_has_no_sets(catalog: Catalog) -> None:
    assert catalog.sets() == []
    assert catalog.problems == ()


def test_sets_are_merged_over_the_stores_newest_first(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    old = planter.plant(offsite, days_ago=9)
    both = planter.plant(local, offsite, days_ago=2)
    fresh = planter.plant(local, days_ago=1)

    found = [(view.backup_id, view.stores) for view in catalog.sets()]

    assert found == [(fresh, ("local",)), (both, ("local", "offsite")), (old, ("offsite",))]


def test_objects_without_a_manifest_are_no_set(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    backup_id = planter.plant(local)
    local.delete(manifest_key(backup_id))

    scan = catalog.scan()

    assert scan.sets == ()
    assert scan.problems == ()
    assert len(scan.leftovers["local"][backup_id].keys) == len(planter.objects)


def test_a_copy_that_was_begun_is_pending(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)
    offsite.put(object_key(backup_id, "postgresql/onyx.dump.zst.sealed"), b"")

    (view,) = catalog.sets()

    assert view.begun_in == ("offsite",)
    assert view.record(view.copies[0]).copy_pending


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b'{"format": "onyx-backup-set", "format_version": 99}', b"\xff"]
)
def test_a_manifest_that_does_not_parse_is_a_problem_and_no_set(
    catalog: Catalog, planter: Planter, local: LocalStore, content: bytes
) -> None:
    good, bad = planter.plant(local), planter.plant(local)
    local.put(manifest_key(bad), content)

    views, problems = catalog.sets(), catalog.problems

    assert [view.backup_id for view in views] == [good]
    assert [(problem.store, problem.backup_id) for problem in problems] == [("local", bad)]


def test_a_set_under_another_ones_name_is_a_problem(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    real, copied = planter.plant(local), new_id()
    local.put(manifest_key(copied), local.get(manifest_key(real)))

    problems = catalog.problems

    assert [view.backup_id for view in catalog.sets()] == [real]
    assert real in problems[0].what
    assert problems[0].backup_id == copied


def test_a_folder_that_is_not_named_by_an_id_is_a_problem(
    catalog: Catalog, local: LocalStore
) -> None:
    local.put("sets/my-copy/manifest.json", b"{}")

    assert [problem.backup_id for problem in catalog.problems] == ["my-copy"]


def test_stores_that_disagree_about_a_set_are_a_problem(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local, days_ago=1)
    planter.plant(offsite, days_ago=2, backup_id=backup_id)

    assert [(each.store, each.backup_id) for each in catalog.problems] == [("offsite", backup_id)]


def test_one_good_copy_is_enough_to_find_a_set(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local, offsite)
    local.put(manifest_key(backup_id), b"damaged")

    (view,) = catalog.sets()

    assert view.stores == ("offsite",)
    assert len(catalog.problems) == 1


def test_a_store_that_cannot_be_listed_fails_the_listing(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    planter.plant(local, offsite)

    with pytest.raises(StoreError):
        Catalog([local, FailingStore(offsite, fail_at=1)], trust()).sets()


def test_a_manifest_that_cannot_be_read_fails_the_listing(
    planter: Planter, local: LocalStore
) -> None:
    planter.plant(local)

    with pytest.raises(StoreError):
        Catalog([FailingStore(local, fail_at=2)], trust()).sets()


def test_a_set_is_found_by_id_by_its_beginning_and_as_the_latest(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    old = planter.plant(local, days_ago=3, backup_id="11111111-0000-4000-8000-000000000001")
    new = planter.plant(local, days_ago=1, backup_id="11112222-0000-4000-8000-000000000001")

    assert catalog.find(old).backup_id == old
    assert catalog.find("11112").backup_id == new
    assert catalog.find("11111111-0000-4000-8000-000000000001".upper()).backup_id == old
    assert catalog.find("latest").backup_id == new


@pytest.mark.parametrize("text", ["1111", "111", "", "2222", "latest "])
def test_what_does_not_name_one_set_is_not_found(
    catalog: Catalog, planter: Planter, local: LocalStore, text: str
) -> None:
    planter.plant(local, backup_id="11111111-0000-4000-8000-000000000001")
    planter.plant(local, backup_id="11112222-0000-4000-8000-000000000001")

    with pytest.raises(NotFoundError):
        catalog.find(text)


def test_the_latest_of_no_sets_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="no backup set latest"):
        catalog.find("latest")


def test_a_hold_is_put_in_every_store_and_released(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local, offsite)

    held = catalog.hold("latest", "before the migration", now=NOW)
    held_in = [mark_key(backup_id, "held") in {o.key for o in s.list("")} for s in (local, offsite)]
    released = catalog.release(backup_id)

    assert (held.held, held.hold_reason) == (True, "before the migration")
    assert held_in == [True, True]
    assert not released.held
    assert not any(catalog.is_held(backup_id, store) for store in ("local", "offsite"))


def test_a_hold_in_one_store_holds_the_set(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local, offsite)
    Catalog([offsite], trust()).hold(backup_id, "audit", now=NOW)

    (view,) = catalog.sets()

    assert view.hold_reason == "audit"
    assert all(catalog.is_held(backup_id, store) for store in ("local", "offsite"))


def test_a_hold_mark_that_cannot_be_read_holds(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    local.put(mark_key(planter.plant(local), "held"), b"damaged")

    (view,) = catalog.sets()

    assert view.held
    assert "The mark held" in catalog.problems[0].what


def test_holding_an_unknown_set_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError):
        catalog.hold(new_id(), "why", now=NOW)


def test_the_last_success_of_a_verification_is_remembered(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    backup_id = planter.plant(local)

    catalog.record_verification(backup_id, "local", passed=True, at=NOW)
    catalog.record_verification(backup_id, "local", passed=False, at=NOW + HOUR)

    (view,) = catalog.sets()
    assert view.last_verified_at == NOW
    assert view.verification_failed
    assert view.record(view.copies[0]).problem == "its last verification failed"


def test_a_partial_set_says_what_it_lacks(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    planter.plant(local, missing_components=(Component.QDRANT,))

    (view,) = catalog.sets()

    assert view.record(view.copies[0]).lacks == ("qdrant",)


def test_one_store_that_is_right_makes_a_set_count(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local, offsite)

    catalog.record_verification(backup_id, "local", passed=False, at=NOW)
    (before,) = catalog.sets()
    catalog.record_verification(backup_id, "offsite", passed=True, at=NOW + HOUR)
    (after,) = catalog.sets()

    assert not before.verification_failed
    assert after.last_verified_at == NOW + HOUR
    assert [after.record(copy).problem for copy in after.copies] == [
        "its last verification failed",
        None,
    ]


def test_a_drill_that_failed_after_one_that_passed_counts_as_none(
    catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local, offsite)

    catalog.record_drill(backup_id, "local", passed=True, at=NOW)
    (passed,) = catalog.sets()
    catalog.record_drill(backup_id, "offsite", passed=False, at=NOW + HOUR)
    (failed,) = catalog.sets()

    assert passed.last_drill_passed_at == NOW
    assert failed.last_drill_passed_at is None


def test_a_store_that_is_not_configured_is_named(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="no tape store"):
        catalog.record_verification(new_id(), "tape", passed=True, at=NOW)


def test_a_row_has_what_the_list_promises_as_plain_json(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    backup_id = planter.plant(local, days_ago=1)
    catalog.record_verification(backup_id, "local", passed=True, at=NOW)
    views = catalog.sets()
    decided = store_plans(views, RetentionPolicy(), stores=["local"], now=NOW)

    (row,) = rows(views, decided)

    assert json.loads(json.dumps(row.as_json())) == {
        "backup_id": backup_id,
        "timestamp": "2026-03-19T03:00:00+00:00",
        "backup_type": "daily",
        "status": "completed",
        "warnings": [],
        "components": ["docker_volumes", "postgresql"],
        "size_bytes": sum(len(data) for data in planter.objects.values()),
        "stores": ["local"],
        "held": False,
        "hold_reason": None,
        "last_verified_at": "2026-03-20T03:00:00+00:00",
        "last_drill_passed_at": None,
        "retained_as": "daily",
    }


@pytest.mark.slow
def test_five_hundred_sets_are_listed_in_two_seconds(
    catalog: Catalog, planter: Planter, local: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda fd: None)
    for day in range(500):
        planter.plant(local, days_ago=day)
    started = time.process_time()

    found = catalog.sets()

    assert len(found) == 500
    assert time.process_time() - started < 2


def test_everything_else_in_a_set_stays_where_it_is(
    catalog: Catalog, planter: Planter, local: LocalStore
) -> None:
    backup_id = planter.plant(local)
    before = keys_of(local, backup_id)

    catalog.hold(backup_id, "why", now=NOW)
    catalog.release(backup_id)

    assert keys_of(local, backup_id) == before


class CountingStore:
    """Counts what is read from another store."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self.reads = 0

    def get(self, key: str, **options: int) -> bytes:
        self.reads += 1
        return self._store.get(key, **options)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class TestMemory:
    """Of whoever looks again and again."""

    def test_what_did_not_change_is_not_read_again(
        self, planter: Planter, local: LocalStore
    ) -> None:
        for age in range(3):
            planter.plant(local, days_ago=age)
        store, memory = CountingStore(local), ScanMemory()
        first = Catalog([store], trust(), memory).scan()
        store.reads = 0

        assert Catalog([store], trust(), memory).scan() == first
        assert store.reads == 0

    def test_a_hold_a_new_set_and_a_deleted_one_are_seen(
        self, planter: Planter, local: LocalStore
    ) -> None:
        gone, held = planter.plant(local, days_ago=3), planter.plant(local, days_ago=2)
        memory = ScanMemory()
        Catalog([local], trust(), memory).scan()
        local.delete(manifest_key(gone))
        Catalog([local], trust()).hold(held, "audit", now=NOW)
        planter.plant(local, days_ago=1)

        assert Catalog([local], trust(), memory).scan() == Catalog([local], trust()).scan()

    def test_a_manifest_that_was_damaged_meanwhile_is_a_problem(
        self, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        memory = ScanMemory()
        Catalog([local], trust(), memory).scan()
        text = local.get(manifest_key(backup_id))
        local.put(manifest_key(backup_id), text[:-1] + b"?")

        scan = Catalog([local], trust(), memory).scan()

        assert scan.sets == ()
        assert [problem.backup_id for problem in scan.problems] == [backup_id]
