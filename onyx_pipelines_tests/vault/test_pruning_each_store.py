"""A store's plan counts what that store really holds, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import pending
from onyx_pipelines.vault.layout import manifest_key, object_key
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, offsite, planter
from onyx_pipelines_tests.vault.prunings import (
    LATER,
    TWO_DAYS,
    ids,
    no_fsync,
    plant_days,
    reasons_in,
    run,
)
from onyx_pipelines_tests.vault.sets import trust

__all__ = ["local", "no_fsync", "offsite", "planter"]

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_what_is_only_in_the_second_store_displaces_nothing_in_the_first(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 2, local, offsite)
    newer_of_the_day = planter.plant(offsite, days_ago=-0.5)

    run(local, offsite, state=tmp_path, now=NOW + timedelta(days=1))

    assert ids(local) == set(planted)
    assert ids(offsite) == {newer_of_the_day, planted[1]}


def test_what_is_only_in_the_first_store_displaces_nothing_in_the_second(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    copied = [planter.plant(local, offsite, days_ago=day) for day in (5, 6)]
    not_copied = plant_days(planter, 2, local)

    run(local, offsite, state=tmp_path)

    assert ids(local) == set(not_copied)
    assert ids(offsite) == set(copied)


@pytest.mark.parametrize("damage", ["missing", "cut"])
@pytest.mark.parametrize("where", ["local", "offsite"])
def test_a_copy_that_is_not_whole_displaces_nothing_and_is_left_for_a_person(
    planter: Planter,
    local: LocalStore,
    offsite: LocalStore,
    tmp_path: Path,
    damage: str,
    where: str,
) -> None:
    planted = plant_days(planter, 3, local, offsite)
    store, other = (local, offsite) if where == "local" else (offsite, local)
    harm(store, planted[0], damage)

    report = run(local, offsite, state=tmp_path)

    assert keys_of(store, planted[0]) != []
    assert set(planted[1:]) <= ids(store)
    assert ids(other) == set(planted[:2])
    reasons = reasons_in(report, where, planted[0])
    assert reasons.startswith("not counted, and left for a person: 1 of 3 objects")
    assert "volumes/uploads.tar.zst.sealed" in reasons
    assert [(each.store, each.backup_id) for each in report.problems] == [(where, planted[0])]


def test_a_copy_whose_verification_failed_displaces_nothing_in_its_store_alone(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 3, local, offsite)
    Catalog([local, offsite], trust()).record_verification(
        planted[0], "local", passed=False, at=NOW
    )

    run(local, offsite, state=tmp_path)

    assert ids(local) == set(planted)
    assert ids(offsite) == set(planted[:2])


def test_objects_that_wait_beside_a_damaged_manifest_elsewhere_are_no_rubbish(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    plant_days(planter, 1, local, offsite)
    damaged = planter.plant(local, offsite, days_ago=9)
    local.put(manifest_key(damaged), b"damaged")
    offsite.delete(manifest_key(damaged))

    report = run(local, offsite, state=tmp_path, now=LATER)

    assert report.leftovers == ()
    assert len(keys_of(offsite, damaged)) == len(planter.objects)


def test_what_the_second_store_alone_gave_up_is_not_due_for_a_copy_again(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    old = [planter.plant(local, offsite, days_ago=day) for day in (5, 6)]
    for day in range(2):
        planter.plant(offsite, days_ago=day)  # the first store lost them

    run(local, offsite, state=tmp_path)
    views = Catalog([local, offsite], trust()).sets()

    assert ids(local) == set(old)
    assert ids(offsite).isdisjoint(old)
    assert pending(views, TWO_DAYS, now=NOW, source="local", target="offsite") == []


def harm(store: LocalStore, backup_id: str, damage: str) -> None:
    path = store.root / object_key(backup_id, "volumes/uploads.tar.zst.sealed")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
