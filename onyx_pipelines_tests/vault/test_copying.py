"""The second copy between two real stores: whole, verified, resumable, never of damaged bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, StoreError
from onyx_pipelines.core.progress import Progress
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import copy_set, lag, pending
from onyx_pipelines.vault.layout import manifest_key, object_key, set_prefix
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import ObjectReader, ObjectWriter
from onyx_pipelines.vault.verification import verify
from onyx_pipelines_tests.planting import flipped
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, keys_of, local, offsite, planter
from onyx_pipelines_tests.vault.sets import FailingStore, files_of, new_id, signers, trust

__all__ = ["local", "offsite", "planter"]

DUMP = "postgresql/onyx.dump.zst.sealed"


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda fd: None)


def without_marks(store: LocalStore, backup_id: str) -> dict[str, bytes]:
    return {k: v for k, v in files_of(store, backup_id).items() if not k.startswith("marks/")}


def listed(store: LocalStore) -> list[str]:
    return [view.backup_id for view in Catalog([store], trust()).sets()]


def test_the_copy_has_the_same_bytes_and_is_known_as_verified(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)

    report = copy_set(local, offsite, backup_id, trust())

    assert without_marks(offsite, backup_id) == without_marks(local, backup_id)
    assert report.copied_objects == len(planter.objects)
    assert report.copied_bytes == sum(len(data) for data in planter.objects.values())
    assert Catalog([offsite], trust()).sets()[0].last_verified_at is not None


def test_copying_again_sends_nothing(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)
    copy_set(local, offsite, backup_id, trust())
    before = {path: path.stat().st_mtime_ns for path in offsite.root.rglob("*.*")}

    report = copy_set(local, offsite, backup_id, trust())

    after = {path: path.stat().st_mtime_ns for path in offsite.root.rglob("*.*")}
    assert (report.copied_objects, report.already_there) == (0, len(planter.objects))
    assert [path.name for path in after if after[path] != before[path]] == ["verified.json"]


def test_a_failure_at_every_call_lists_nothing_half_and_the_next_copy_ends_it(
    planter: Planter, local: LocalStore, tmp_path: Path
) -> None:
    backup_id = planter.plant(local)
    counted = LocalStore(tmp_path / "counted")
    counted.root.mkdir()
    counting = FailingStore(counted)
    copy_set(local, counting, backup_id, trust())
    for fail_at in range(1, counting.calls + 1):
        target = LocalStore(tmp_path / f"target-{fail_at}", name="offsite")
        target.root.mkdir()

        with pytest.raises(StoreError):
            copy_set(local, FailingStore(target, fail_at=fail_at), backup_id, trust())

        complete = without_marks(target, backup_id) == without_marks(local, backup_id)
        assert (listed(target) == [backup_id]) == complete
        copy_set(local, target, backup_id, trust())
        assert without_marks(target, backup_id) == without_marks(local, backup_id)


def test_a_copy_goes_on_where_it_stopped(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)
    copy_set(local, offsite, backup_id, trust())
    offsite.delete(manifest_key(backup_id))
    offsite.delete(object_key(backup_id, DUMP))

    report = copy_set(local, offsite, backup_id, trust())

    assert (report.copied_objects, report.already_there) == (1, len(planter.objects) - 1)


@pytest.mark.parametrize("found", [b"", b"other bytes", "same length"])
def test_what_the_target_holds_wrongly_is_replaced(
    planter: Planter, local: LocalStore, offsite: LocalStore, found: bytes | str
) -> None:
    backup_id = planter.plant(local)
    wrong = found if isinstance(found, bytes) else bytes(len(planter.objects[DUMP]))
    offsite.put(object_key(backup_id, DUMP), wrong)

    report = copy_set(local, offsite, backup_id, trust())

    assert report.copied_objects == len(planter.objects)
    assert without_marks(offsite, backup_id) == without_marks(local, backup_id)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer", "missing"])
def test_a_damaged_object_is_named_and_the_set_is_not_copied(
    planter: Planter, local: LocalStore, offsite: LocalStore, damage: str
) -> None:
    backup_id = planter.plant(local)
    path = local.root / object_key(backup_id, DUMP)
    good = path.read_bytes()
    damaged = {
        "flipped": flipped(good, -1),
        "truncated": good[:-1],
        "longer": good + b"x",
    }
    path.unlink() if damage == "missing" else path.write_bytes(damaged[damage])

    with pytest.raises(IntegrityError, match=DUMP) as caught:
        copy_set(local, offsite, backup_id, trust())

    assert not caught.value.transient
    assert listed(offsite) == []
    assert DUMP not in keys_of(offsite, backup_id)


def test_a_set_that_is_not_there_is_not_found(local: LocalStore, offsite: LocalStore) -> None:
    with pytest.raises(NotFoundError):
        copy_set(local, offsite, new_id(), trust())


def test_a_manifest_of_another_set_is_refused(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    real, other = planter.plant(local), new_id()
    local.put(manifest_key(other), local.get(manifest_key(real)))

    with pytest.raises(IntegrityError, match=real):
        copy_set(local, offsite, other, trust())


class LyingStore:
    """Takes everything and keeps one object with a flipped byte."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def create(self, key: str) -> Iterator[ObjectWriter]:
        with self._store.create(key) as writer:
            yield writer
        if key.endswith(DUMP):
            self._store.put(key, flipped(self._store.get(key), 100))

    @contextmanager
    def open(self, key: str) -> Iterator[ObjectReader]:
        with self._store.open(key) as reader:
            yield reader


def test_a_target_that_holds_other_bytes_than_were_sent_is_found_out(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)

    with pytest.raises(StoreError, match="other bytes") as caught:
        copy_set(local, LyingStore(offsite), backup_id, trust())  # type: ignore[arg-type]  # has what is called of a store

    assert caught.value.transient
    assert listed(offsite) == []
    assert object_key(backup_id, DUMP) not in {each.key for each in offsite.list("")}


def test_a_hold_goes_along_before_and_after_the_copy(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    early, late = planter.plant(local), planter.plant(local)
    Catalog([local], trust()).hold(early, "early", now=NOW)
    copy_set(local, offsite, early, trust())
    copy_set(local, offsite, late, trust())
    Catalog([local], trust()).hold(late, "late", now=NOW)

    copy_set(local, offsite, late, trust())

    held = {view.backup_id: view.hold_reason for view in Catalog([offsite], trust()).sets()}
    assert held == {early: "early", late: "late"}


def test_a_manifest_that_was_rewrapped_is_copied_again(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)
    copy_set(local, offsite, backup_id, trust())
    planter.plant(local, backup_id=backup_id, host="rewritten")

    report = copy_set(local, offsite, backup_id, trust())

    assert report.copied_objects == 0
    assert offsite.get(manifest_key(backup_id)) == local.get(manifest_key(backup_id))


def test_progress_is_reported_for_sending_and_reading_back(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)
    seen: list[Progress] = []

    copy_set(local, offsite, backup_id, trust(), seen.append)

    finished = [(each.component, each.item, each.done_bytes) for each in seen if each.finished]
    size = len(planter.objects[DUMP])
    assert ("postgresql", DUMP, size) in finished
    assert ("postgresql", f"{DUMP} (read back)", size) in finished


def test_only_kept_sets_that_the_target_lacks_are_pending_newest_first(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    newest = planter.plant(local, days_ago=0)
    planter.plant(local, offsite, days_ago=1)
    older = planter.plant(local, days_ago=2)
    outdated = planter.plant(local, days_ago=9)
    begun = planter.plant(local, days_ago=10)
    offsite.put(object_key(begun, DUMP), b"part")
    planter.plant(offsite, days_ago=11)
    views = Catalog([local, offsite], trust()).scan().views

    due = [
        view.backup_id
        for view in pending(
            views, RetentionPolicy(3, 0, 0), now=NOW, source="local", target="offsite"
        )
    ]

    assert due == [newest, older, begun]
    assert outdated not in due


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_copy_that_was_damaged_is_due_again_and_is_mended(
    planter: Planter, local: LocalStore, offsite: LocalStore, damage: str
) -> None:
    backup_id = planter.plant(local, offsite)
    path = offsite.root / object_key(backup_id, DUMP)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        verification = verify(offsite, backup_id, signers=signers())
        Catalog([offsite], trust()).record_verification(backup_id, "offsite", passed=False, at=NOW)
        assert [each.key for each in verification.problems] == [DUMP]
    catalog = Catalog([local, offsite], trust())
    due = [
        view.backup_id
        for view in pending(
            catalog.scan().views, RetentionPolicy(), now=NOW, source="local", target="offsite"
        )
    ]

    report = copy_set(local, offsite, backup_id, trust())

    assert due == [backup_id]
    assert report.copied_objects == 1
    assert verify(offsite, backup_id, signers=signers()).intact
    assert (
        pending(catalog.scan().views, RetentionPolicy(), now=NOW, source="local", target="offsite")
        == []
    )


def test_the_lag_grows_while_nothing_is_copied(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    catalog = Catalog([local, offsite], trust())
    planter.plant(local, offsite, days_ago=5)
    planter.plant(local, days_ago=6)  # older than a copied one: not what would be lost
    before = lag(catalog.sets(), now=NOW, source="local", target="offsite")
    planter.plant(local, days_ago=2)
    planter.plant(local, days_ago=1)

    assert before == timedelta(0)
    assert lag(catalog.sets(), now=NOW, source="local", target="offsite") == timedelta(days=2)


def test_with_no_copy_at_all_the_lag_is_the_age_of_the_oldest_set(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    planter.plant(local, days_ago=4)
    planter.plant(local, days_ago=1)

    assert lag(
        Catalog([local, offsite], trust()).sets(), now=NOW, source="local", target="offsite"
    ) == timedelta(days=4)


def test_a_copy_never_leaves_a_mark_of_pruning(
    planter: Planter, local: LocalStore, offsite: LocalStore
) -> None:
    backup_id = planter.plant(local)
    offsite.put(f"{set_prefix(backup_id)}marks/pruned.json", b"{}\n")

    copy_set(local, offsite, backup_id, trust())

    assert keys_of(offsite, backup_id)[-1].startswith("volumes/")
    assert "marks/pruned.json" not in keys_of(offsite, backup_id)
