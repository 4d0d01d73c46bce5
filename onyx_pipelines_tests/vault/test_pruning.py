"""Pruning against real stores: what goes, and what stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.text import count_text
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key, mark_key, object_key, set_prefix
from onyx_pipelines.vault.lock import ExclusiveLock, set_in_use
from onyx_pipelines.vault.pruning import prune
from onyx_pipelines.vault.stores.local import TEMPORARY_PREFIX, LocalStore
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, offsite, planter
from onyx_pipelines_tests.vault.prunings import (
    LATER,
    TWO_DAYS,
    everything,
    ids,
    no_fsync,
    plant_days,
    reasons_in,
    run,
)
from onyx_pipelines_tests.vault.sets import new_id, trust

__all__ = ["local", "no_fsync", "offsite", "planter"]

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_what_the_plan_does_not_keep_goes_from_every_store(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 5, local, offsite)

    report = run(local, offsite, state=tmp_path)

    assert ids(local) == ids(offsite) == set(planted[:2])
    assert all(keys_of(store, gone) == [] for store in (local, offsite) for gone in planted[2:])
    assert [(each.store, each.what) for each in report.sets] == [
        (store, gone) for gone in reversed(planted[2:]) for store in ("local", "offsite")
    ]
    assert report.freed_bytes == 6 * sum(len(data) for data in planter.objects.values())
    assert report.ok


def test_a_dry_run_names_exactly_what_a_run_does_and_deletes_nothing(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    plant_days(planter, 5, local, offsite)
    rubbish = planter.plant(local)
    local.delete(manifest_key(rubbish))
    (local.root / "sets" / f"{TEMPORARY_PREFIX}0").write_bytes(b"half")
    before = everything(local), everything(offsite)

    planned = run(local, offsite, state=tmp_path, now=LATER, dry_run=True)
    unchanged = (everything(local), everything(offsite)) == before
    done = run(local, offsite, state=tmp_path, now=LATER)

    assert unchanged
    assert len(planned.leftovers) == 2
    assert (planned.plans, planned.sets, planned.leftovers) == (
        done.plans,
        done.sets,
        done.leftovers,
    )


def test_pruning_again_does_nothing(planter: Planter, local: LocalStore, tmp_path: Path) -> None:
    plant_days(planter, 5, local)
    run(local, state=tmp_path)
    before = everything(local)

    report = run(local, state=tmp_path)

    assert (report.sets, report.leftovers) == ((), ())
    assert everything(local) == before


class HoldMeanwhile:
    """The catalog's stores, where somebody holds a set as soon as it was listed."""

    def __init__(self, store: LocalStore, backup_id: str) -> None:
        self._store = store
        self._backup_id = backup_id

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def stat(self, key: str) -> object:
        if key == mark_key(self._backup_id, "held"):
            Catalog([self._store], trust()).hold(self._backup_id, "wait", now=NOW)
        return self._store.stat(key)


def test_a_set_that_was_held_meanwhile_stays(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 4, local)

    report = run(HoldMeanwhile(local, planted[3]), state=tmp_path)  # type: ignore[arg-type]  # has what is called of a store

    assert ids(local) == {planted[0], planted[1], planted[3]}
    assert [(each.backup_id, each.reason) for each in report.spared] == [
        (planted[3], "it was held meanwhile")
    ]


def test_a_set_that_is_being_copied_or_verified_stays(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    planted = [planter.plant(local, days_ago=n, backup_id=f"0{n}{new_id()[2:]}") for n in range(4)]

    with set_in_use(tmp_path, planted[2]):
        report = run(local, state=tmp_path)

    assert ids(local) == set(planted[:3])
    assert [each.backup_id for each in report.spared] == [planted[2]]


def test_held_drilled_and_half_copied_sets_stay(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 2, local, offsite)
    held, drilled, gone = (planter.plant(local, offsite, days_ago=n) for n in (5, 6, 7))
    begun = planter.plant(local, days_ago=8)
    offsite.put(object_key(begun, "postgresql/onyx.dump.zst.sealed"), b"part")
    catalog = Catalog([local, offsite], trust())
    catalog.hold(held, "audit", now=NOW)
    catalog.record_drill(drilled, "local", passed=True, at=NOW)

    report = run(local, offsite, state=tmp_path)

    assert ids(local) == {*planted, held, drilled, begun}
    assert {each.what for each in report.sets} == {gone}
    assert keys_of(offsite, begun) == ["postgresql/onyx.dump.zst.sealed"]


def test_a_manifest_that_does_not_parse_is_never_deleted(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    plant_days(planter, 3, local)
    damaged = planter.plant(local, days_ago=300)
    local.put(manifest_key(damaged), b"damaged")
    before = keys_of(local, damaged)

    report = run(local, state=tmp_path, now=LATER)

    assert keys_of(local, damaged) == before
    assert [each.backup_id for each in report.problems] == [damaged]


def test_leftovers_of_a_killed_backup_go_after_the_grace_time(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    plant_days(planter, 1, local)
    killed = planter.plant(local)
    local.delete(manifest_key(killed))
    (local.root / set_prefix(killed) / f"{TEMPORARY_PREFIX}0").write_bytes(b"half")
    now = datetime.now(UTC)

    early = run(local, state=tmp_path, now=now + timedelta(hours=23))
    there_still = keys_of(local, killed)
    late = run(local, state=tmp_path, now=now + timedelta(hours=25))

    assert early.leftovers == ()
    assert len(there_still) == len(planter.objects)
    assert [each.what for each in late.leftovers] == [
        f"{set_prefix(killed)} ({count_text(len(planter.objects), 'object')} without a manifest)",
        f"{set_prefix(killed)}{TEMPORARY_PREFIX}0",
    ]
    assert not (local.root / set_prefix(killed)).exists()


def test_leftovers_of_the_backup_that_runs_stay(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    running = planter.plant(local)
    local.delete(manifest_key(running))

    with ExclusiveLock(tmp_path, "backup", holder=running):
        report = run(local, state=tmp_path, now=LATER)

    assert report.leftovers == ()
    assert len(keys_of(local, running)) == len(planter.objects)


def test_a_half_made_copy_of_a_kept_set_is_no_leftover(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    kept = planter.plant(local)
    offsite.put(object_key(kept, "postgresql/onyx.dump.zst.sealed"), b"part")

    report = run(local, offsite, state=tmp_path, now=LATER)

    assert report.leftovers == ()
    assert keys_of(offsite, kept) == ["postgresql/onyx.dump.zst.sealed"]


def test_a_clock_that_jumped_back_deletes_nothing(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    planted = plant_days(planter, 5, local)

    report = run(local, state=tmp_path, now=NOW - timedelta(days=3650))

    assert ids(local) == set(planted)
    assert len(report.plans["local"].future_dated) == 5


def test_the_set_that_the_run_made_stays_whatever_the_clock_says(
    planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
) -> None:
    plant_days(planter, 3, local, offsite)
    made = planter.plant(local, offsite, days_ago=4000)

    report = prune(
        Catalog([local, offsite], trust()),
        TWO_DAYS,
        now=NOW,
        dry_run=False,
        state_dir=tmp_path,
        made=made,
    )

    assert made in ids(local) & ids(offsite)
    assert reasons_in(report, "local", made) == "made by this run"


def test_seven_sets_dated_ahead_of_the_runs_own_leave_it_alone(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    """They are later than when it began, and not later than when it prunes."""
    made = planter.plant(local)
    ahead = [planter.plant(local, days_ago=-second / 86400) for second in range(1, 8)]

    prune(
        Catalog([local], trust()),
        TWO_DAYS,
        now=NOW + timedelta(seconds=10),
        dry_run=False,
        state_dir=tmp_path,
        made=made,
    )

    assert ids(local) == {made, ahead[-1]}
