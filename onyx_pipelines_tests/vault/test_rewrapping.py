"""Re-wrapping changes who can open a set, and touches manifests only."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import KeyFileError, StoreError
from onyx_pipelines.vault.authenticity import authenticate, distrust_of, signed
from onyx_pipelines.vault.keys import Recipient
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.manifest import Manifest, to_bytes
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.rewrapping import RewrapOutcome, Rewrapper, RewrapResult, rewrap
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.verification import verify
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import (
    CONTENT,
    FailingStore,
    KeyPair,
    files_of,
    make_key,
    make_store,
    new_id,
    read_all,
    signers,
    signing_key,
    write_set,
)

REWRAPPED, RIGHT = RewrapOutcome.REWRAPPED, RewrapOutcome.ALREADY_RIGHT
WOULD, FAILED = RewrapOutcome.WOULD_REWRAP, RewrapOutcome.FAILED


@pytest.fixture
def old(tmp_path: Path) -> KeyPair:
    return make_key(tmp_path, "old")


@pytest.fixture
def new(tmp_path: Path) -> KeyPair:
    return make_key(tmp_path, "new")


@pytest.fixture
def offsite(tmp_path: Path) -> LocalStore:
    return make_store(tmp_path / "offsite", "offsite")


def copy_set(source: LocalStore, target: LocalStore, manifest: Manifest) -> None:
    for key, data in files_of(source, manifest.backup_id).items():
        target.put(f"sets/{manifest.backup_id}/{key}", data)


def outcomes(results: tuple[RewrapResult, ...]) -> list[RewrapOutcome]:
    return [result.outcome for result in results]


def to(recipients: list[Recipient], key: KeyPair) -> Rewrapper:
    return Rewrapper(key.private, recipients, signers(), signing_key())


def loaded(store: Store, manifest: Manifest) -> Manifest:
    return load_manifest(store, manifest.backup_id)


def test_a_new_recipient_opens_old_sets_only_after_rewrapping(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)
    with pytest.raises(KeyFileError, match="not sealed to the key 'new'"):
        read_all(store, manifest, new.private)

    results = rewrap([store], to([old.recipient, new.recipient], old), dry_run=False)

    assert results == (RewrapResult(manifest.backup_id, "local", REWRAPPED),)
    for pair in (old, new):
        assert read_all(store, loaded(store, manifest), pair.private) == CONTENT
        assert verify(store, manifest.backup_id, pair.private, deep=True, signers=signers()).ok


def test_a_removed_recipient_opens_nothing_any_more(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)

    rewrap([store], to([new.recipient], old), dry_run=False)

    with pytest.raises(KeyFileError, match="not sealed to the key 'old'"):
        read_all(store, loaded(store, manifest), old.private)
    assert read_all(store, loaded(store, manifest), new.private) == CONTENT


def test_only_the_manifest_changes_and_only_its_keysets(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)
    before = files_of(store, manifest.backup_id)

    rewrap([store], to([new.recipient], old), dry_run=False)

    after = files_of(store, manifest.backup_id)
    assert {key for key in before if before[key] != after[key]} == {"manifest.json"}
    assert set(after) == set(before)
    assert list(loaded(store, manifest).objects) == list(manifest.objects)
    assert loaded(store, manifest).timestamp == manifest.timestamp


def test_the_mac_key_is_a_new_one(store: LocalStore, old: KeyPair, new: KeyPair) -> None:
    manifest = write_set(store, old.recipient)

    rewrap([store], to([old.recipient, new.recipient], old), dry_run=False)

    # Tink begins a MAC with its key's id.
    assert loaded(store, manifest).mac[:6] != manifest.mac[:6]
    authenticate(loaded(store, manifest), new.private)


def test_by_default_it_only_says_what_it_would_do(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)
    before = files_of(store, manifest.backup_id)

    results = rewrap([store], to([new.recipient], old))

    assert outcomes(results) == [WOULD]
    assert files_of(store, manifest.backup_id) == before


def test_repeating_it_changes_nothing(store: LocalStore, old: KeyPair, new: KeyPair) -> None:
    manifest = write_set(store, old.recipient)
    recipients = [old.recipient, new.recipient]
    rewrap([store], to(recipients, old), dry_run=False)
    before = files_of(store, manifest.backup_id)

    results = rewrap([store], to(recipients, old), dry_run=False)

    assert outcomes(results) == [RIGHT]
    assert files_of(store, manifest.backup_id) == before


@pytest.mark.parametrize("keep_old", [True, False])
def test_an_interruption_at_any_call_loses_nothing_and_a_repeat_completes(
    tmp_path: Path, old: KeyPair, new: KeyPair, keep_old: bool
) -> None:
    recipients = [old.recipient, new.recipient] if keep_old else [new.recipient]
    reference = make_store(tmp_path / "reference")
    manifests = [write_set(reference, old.recipient) for _ in range(3)]
    counting = FailingStore(reference)
    rewrap([counting], to(recipients, old))

    for fail_at in range(2, counting.calls + 4):
        store = make_store(tmp_path / f"store{fail_at}")
        for manifest in manifests:
            copy_set(reference, store, manifest)

        first = rewrap([FailingStore(store, fail_at)], to(recipients, old), dry_run=False)
        second = rewrap([store], to(recipients, old), dry_run=False)

        assert outcomes(first).count(FAILED) == 1
        assert sorted(outcomes(second)) == [RIGHT, RIGHT, REWRAPPED]
        for manifest in manifests:
            assert verify(store, manifest.backup_id, new.private, signers=signers()).ok


def test_a_store_that_cannot_be_listed_is_an_error_and_not_an_empty_store(
    store: LocalStore, old: KeyPair
) -> None:
    with pytest.raises(StoreError):
        rewrap([FailingStore(store, 1)], to([old.recipient], old))


def test_both_stores_get_the_same_manifest(
    store: LocalStore, offsite: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)
    copy_set(store, offsite, manifest)
    only_offsite = write_set(offsite, old.recipient)

    results = rewrap([store, offsite], to([new.recipient], old), dry_run=False)

    assert outcomes(results) == [REWRAPPED] * 3
    assert {(r.backup_id, r.store) for r in results} == {
        (manifest.backup_id, "local"),
        (manifest.backup_id, "offsite"),
        (only_offsite.backup_id, "offsite"),
    }
    key = manifest_key(manifest.backup_id)
    assert store.get(key) == offsite.get(key)


def test_a_store_that_was_left_behind_gets_the_manifest_of_the_other(
    store: LocalStore, offsite: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)
    copy_set(store, offsite, manifest)
    recipients = [old.recipient, new.recipient]
    rewrap([offsite], to(recipients, old), dry_run=False)
    right = offsite.get(manifest_key(manifest.backup_id))

    results = rewrap([store, offsite], to(recipients, old), dry_run=False)

    assert outcomes(results) == [REWRAPPED, RIGHT]
    assert store.get(manifest_key(manifest.backup_id)) == right


def test_removing_the_own_key_can_be_repeated_over_two_stores(
    store: LocalStore, offsite: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    manifest = write_set(store, old.recipient)
    copy_set(store, offsite, manifest)
    rewrap([store], to([new.recipient], old), dry_run=False)

    results = rewrap([store, offsite], to([new.recipient], old), dry_run=False)

    assert outcomes(results) == [RIGHT, REWRAPPED]
    assert verify(offsite, manifest.backup_id, new.private, deep=True, signers=signers()).ok


def test_stores_that_disagree_on_a_set_are_told_and_left_alone(
    store: LocalStore, offsite: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    backup_id = new_id()
    write_set(store, old.recipient, backup_id=backup_id)
    write_set(offsite, old.recipient, backup_id=backup_id)
    before = files_of(offsite, backup_id)

    results = rewrap([store, offsite], to([new.recipient], old), dry_run=False)

    assert outcomes(results) == [REWRAPPED, FAILED]
    assert "differ between the stores" in (results[1].problem or "")
    assert files_of(offsite, backup_id) == before


def test_a_set_that_cannot_be_opened_is_told_and_the_others_are_done(
    tmp_path: Path, store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    foreign = write_set(store, make_key(tmp_path, "foreign").recipient)
    edited = write_set(store, old.recipient)
    good = write_set(store, old.recipient)
    path = store.root / manifest_key(edited.backup_id)
    plant(path, replaced(b"testhost", b"otherbox"))
    before = files_of(store, foreign.backup_id) | files_of(store, edited.backup_id)

    results = rewrap([store], to([new.recipient], old), dry_run=False)

    by_id = {result.backup_id: result for result in results}
    assert "foreign" in (by_id[foreign.backup_id].problem or "")
    assert "is not trusted" in (by_id[edited.backup_id].problem or "")
    assert by_id[good.backup_id].outcome is REWRAPPED
    assert files_of(store, foreign.backup_id) | files_of(store, edited.backup_id) == before


def test_an_altered_component_keyset_is_told_and_left_alone(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    a, b = write_set(store, old.recipient), write_set(store, old.recipient)
    theirs = b.components["postgresql"].keyset
    altered = a.components["postgresql"].model_copy(update={"keyset": theirs})
    manifest = a.model_copy(update={"components": a.components | {"postgresql": altered}})
    store.put(manifest_key(a.backup_id), to_bytes(signed(manifest, signing_key())))

    results = rewrap([store], to([new.recipient], old), dry_run=False)

    assert sorted(outcomes(results)) == [FAILED, REWRAPPED]


def test_the_order_and_names_of_recipients_are_brought_up_to_date_too(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    write_set(store, old.recipient, new.recipient)

    results = rewrap([store], to([new.recipient, old.recipient], old), dry_run=False)

    assert outcomes(results) == [REWRAPPED]


def test_unfinished_sets_are_passed_over(store: LocalStore, old: KeyPair, new: KeyPair) -> None:
    manifest = write_set(store, old.recipient)
    store.delete(manifest_key(manifest.backup_id))

    assert rewrap([store], to([new.recipient], old), dry_run=False) == ()


def test_nobody_to_rewrap_to_is_refused(store: LocalStore, old: KeyPair) -> None:
    with pytest.raises(KeyFileError, match="no recipient"):
        rewrap([store], to([], old), dry_run=False)


def test_a_set_that_no_signer_signed_is_told_and_not_signed(
    store: LocalStore, old: KeyPair, new: KeyPair
) -> None:
    """Whoever knows the recipients can make a set with a MAC that fits."""
    manifest = write_set(store, old.recipient)
    forged = signed(manifest, signing_key("a stranger"))
    store.put(manifest_key(manifest.backup_id), to_bytes(forged))

    results = rewrap([store], to([new.recipient], old), dry_run=False)

    assert outcomes(results) == [FAILED]
    assert "'a stranger'" in (results[0].problem or "")
    assert loaded(store, manifest) == forged


def test_what_is_rewrapped_is_signed_anew(store: LocalStore, old: KeyPair, new: KeyPair) -> None:
    manifest = write_set(store, old.recipient)

    rewrap([store], to([new.recipient], old), dry_run=False)

    assert distrust_of(loaded(store, manifest), manifest.backup_id, signers()) is None
