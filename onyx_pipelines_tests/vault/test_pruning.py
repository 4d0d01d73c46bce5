"""Pruning against real stores: what goes, what stays, and what an interruption leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.core.text import count_text
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import pending
from onyx_pipelines.vault.layout import manifest_key, mark_key, object_key, set_prefix
from onyx_pipelines.vault.lock import ExclusiveLock, set_in_use
from onyx_pipelines.vault.marks import put_pruned
from onyx_pipelines.vault.pruning import PruneReport, prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.stores.local import TEMPORARY_PREFIX, LocalStore
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, offsite, planter
from onyx_pipelines_tests.vault.sets import FailingStore, new_id, signing_key, trust

__all__ = ["local", "offsite", "planter"]

TWO_DAYS = RetentionPolicy(daily=2, weekly=0, monthly=0)
LATER = datetime.now(UTC) + timedelta(days=3)  # what was written now is older than the grace


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda fd: None)


def run(*stores: Store, state: Path, now: datetime = NOW, dry_run: bool = False) -> PruneReport:
    return prune(Catalog(stores, trust()), TWO_DAYS, now=now, dry_run=dry_run, state_dir=state)


def plant_days(planter: Planter, days: int, *stores: Store) -> list[str]:
    """Ids, newest first."""
    return [planter.plant(*stores, days_ago=day) for day in range(days)]


def ids(store: Store) -> set[str]:
    return {view.backup_id for view in Catalog([store], trust()).sets()}


def everything(store: LocalStore) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}


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


class TestEachStoreByWhatItHolds:
    """A store's plan counts what that store really holds, and nothing else."""

    def test_what_is_only_in_the_second_store_displaces_nothing_in_the_first(
        self, planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
    ) -> None:
        planted = plant_days(planter, 2, local, offsite)
        newer_of_the_day = planter.plant(offsite, days_ago=-0.5)

        run(local, offsite, state=tmp_path, now=NOW + timedelta(days=1))

        assert ids(local) == set(planted)
        assert ids(offsite) == {newer_of_the_day, planted[1]}

    def test_what_is_only_in_the_first_store_displaces_nothing_in_the_second(
        self, planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
    ) -> None:
        copied = [planter.plant(local, offsite, days_ago=day) for day in (5, 6)]
        not_copied = plant_days(planter, 2, local)

        run(local, offsite, state=tmp_path)

        assert ids(local) == set(not_copied)
        assert ids(offsite) == set(copied)

    @pytest.mark.parametrize("damage", ["missing", "cut"])
    @pytest.mark.parametrize("where", ["local", "offsite"])
    def test_a_copy_that_is_not_whole_displaces_nothing_and_is_left_for_a_person(
        self,
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
        self, planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
    ) -> None:
        planted = plant_days(planter, 3, local, offsite)
        Catalog([local, offsite], trust()).record_verification(
            planted[0], "local", passed=False, at=NOW
        )

        run(local, offsite, state=tmp_path)

        assert ids(local) == set(planted)
        assert ids(offsite) == set(planted[:2])

    def test_objects_that_wait_beside_a_damaged_manifest_elsewhere_are_no_rubbish(
        self, planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
    ) -> None:
        plant_days(planter, 1, local, offsite)
        damaged = planter.plant(local, offsite, days_ago=9)
        local.put(manifest_key(damaged), b"damaged")
        offsite.delete(manifest_key(damaged))

        report = run(local, offsite, state=tmp_path, now=LATER)

        assert report.leftovers == ()
        assert len(keys_of(offsite, damaged)) == len(planter.objects)

    def test_what_the_second_store_alone_gave_up_is_not_due_for_a_copy_again(
        self, planter: Planter, local: LocalStore, offsite: LocalStore, tmp_path: Path
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


def reasons_in(report: PruneReport, store: str, backup_id: str) -> str:
    return next(
        "; ".join(decision.reasons)
        for decision in report.plans[store].decisions
        if decision.backup_id == backup_id
    )


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
