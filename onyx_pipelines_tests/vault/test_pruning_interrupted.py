"""A pruning that fails or ends halfway loses nothing that is kept, and the next one finishes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.marks import put_pruned
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines_tests.vault.planted_sets import Planter, keys_of, local, offsite, planter
from onyx_pipelines_tests.vault.prunings import (
    everything,
    ids,
    no_fsync,
    plant_days,
    run,
)
from onyx_pipelines_tests.vault.sets import FailingStore, signing_key, trust

__all__ = ["local", "no_fsync", "offsite", "planter"]

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.mark.parametrize("which", [0, 1])
def test_a_listing_that_fails_deletes_nothing(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path, which: int
) -> None:
    plant_days(planter, 5, local, offsite)
    stores: list[Store] = [local, offsite]
    stores[which] = FailingStore([local, offsite][which], fail_at=1)
    before = everything(local), everything(offsite)

    with pytest.raises(StoreError):
        run(*stores, state=tmp_path)

    assert (everything(local), everything(offsite)) == before


def count_calls(planter: Planter, tmp_path: Path) -> int:
    store = LocalStore(tmp_path / "counted")
    store.root.mkdir()
    plant_days(planter, 4, store)
    counting = FailingStore(store)
    run(counting, state=tmp_path)
    return counting.calls


@pytest.mark.slow
def test_a_failure_at_every_call_loses_nothing_that_is_kept_and_the_next_run_finishes(
    planter: Planter, tmp_path: Path
) -> None:
    calls = count_calls(planter, tmp_path)
    for fail_at in range(1, calls + 1):
        store = LocalStore(tmp_path / f"store-{fail_at}")
        store.root.mkdir()
        planted = plant_days(planter, 4, store)
        kept = [keys_of(store, keep) for keep in planted[:2]]

        outcome = _outcome(FailingStore(store, fail_at=fail_at), tmp_path)

        listed = Catalog([store], trust()).scan()
        assert outcome == "loud"
        assert set(planted[:2]) <= {view.backup_id for view in listed.sets}
        assert listed.problems == ()
        assert all(
            left.pruning_begun for left in listed.leftovers["local"].values()
        )  # never half a set that looks like one
        run(store, state=tmp_path)
        assert ids(store) == set(planted[:2])
        assert [keys_of(store, keep) for keep in planted[:2]] == kept
        assert len(list(store.list(""))) == sum(map(len, kept))


def _outcome(store: FailingStore, state: Path) -> str:
    try:
        return "quiet" if run(store, state=state).ok else "loud"
    except StoreError:
        return "loud"


def test_a_pruning_that_was_interrupted_is_finished_without_waiting(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    plant_days(planter, 2, local, offsite)
    begun = planter.plant(local, days_ago=5)
    put_pruned(local, begun, signing_key())
    local.delete(manifest_key(begun))

    report = run(local, offsite, state=tmp_path)

    assert keys_of(local, begun) == []
    assert [each.store for each in report.leftovers] == ["local"]


def test_a_stranger_cannot_call_a_copy_that_was_begun_rubbish(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    (newest, _) = plant_days(planter, 2, local, offsite)
    offsite.delete(manifest_key(newest))
    put_pruned(offsite, newest, signing_key("a stranger"))

    report = run(local, offsite, state=tmp_path)

    assert report.leftovers == ()
    assert f"{newest[:8]}" not in str(report.sets)


def test_a_failed_delete_in_one_store_is_reported_and_done_next_time(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 3, local, offsite)
    reads = FailingStore(offsite)
    Catalog([reads], trust()).scan()
    failing = FailingStore(offsite, fail_at=reads.calls + 3)  # after is_held in both stores

    report = run(local, failing, state=tmp_path)
    still_there = ids(offsite)
    run(local, offsite, state=tmp_path)

    assert [(each.store, each.what) for each in report.failures] == [("offsite", planted[2])]
    assert ids(local) == set(planted[:2])
    assert still_there == set(planted)
    assert ids(offsite) == set(planted[:2])
