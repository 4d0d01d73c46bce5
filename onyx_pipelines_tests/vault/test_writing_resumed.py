"""A second process, with public keys only, goes on with a set that was left unfinished."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.layout import component_record_key, object_key, set_prefix
from onyx_pipelines.vault.manifest import to_bytes
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.verification import verify
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.vault.sets import (
    CONTENT,
    FailingStore,
    KeyPair,
    backup_id_of,
    complete,
    files_of,
    make_key,
    make_store,
    new_id,
    read_all,
    signers,
    write_component,
    write_set,
)

POSTGRESQL, QDRANT, VOLUMES = Component.POSTGRESQL, Component.QDRANT, Component.VOLUMES
DUMP = "postgresql/onyx.dump"


def test_a_finished_component_is_kept(store: LocalStore, pair: KeyPair) -> None:
    backup_id = new_id()
    record = write_component(SetWriter(store, backup_id, [pair.recipient]), POSTGRESQL)

    second = SetWriter(store, backup_id, [pair.recipient])

    assert second.finished_components() == {POSTGRESQL: record}
    write_component(second, VOLUMES)
    manifest = complete(second, POSTGRESQL, VOLUMES)
    assert manifest.components["postgresql"] == record
    assert read_all(store, manifest, pair.private) == CONTENT


def test_nothing_is_finished_at_first(writer: SetWriter) -> None:
    assert writer.finished_components() == {}


@pytest.mark.parametrize("damage", [b"", b"cut", None])
def test_a_component_with_a_missing_or_short_object_is_done_again(
    store: LocalStore, writer: SetWriter, damage: bytes | None
) -> None:
    record = write_component(writer, POSTGRESQL)
    key = object_key(backup_id_of(store), record.objects[0].key)
    store.delete(key)
    if damage is not None:
        store.put(key, damage)

    assert writer.finished_components() == {}


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"component": "qdrant"}'])
def test_a_component_with_a_damaged_record_is_done_again(
    store: LocalStore, writer: SetWriter, damage: bytes
) -> None:
    write_component(writer, POSTGRESQL)
    store.put(component_record_key(backup_id_of(store), "postgresql"), damage)

    assert writer.finished_components() == {}


def test_the_record_of_another_component_counts_for_nothing(
    store: LocalStore, writer: SetWriter
) -> None:
    record = write_component(writer, POSTGRESQL)
    backup_id = backup_id_of(store)
    store.put(component_record_key(backup_id, "qdrant"), to_bytes(record))

    assert list(writer.finished_components()) == [POSTGRESQL]


def test_a_component_sealed_to_other_recipients_is_done_again(
    tmp_path: Path, store: LocalStore, pair: KeyPair
) -> None:
    backup_id = new_id()
    write_component(SetWriter(store, backup_id, [pair.recipient]), POSTGRESQL)
    other = make_key(tmp_path, "other").recipient

    assert SetWriter(store, backup_id, [other]).finished_components() == {}
    assert SetWriter(store, backup_id, [pair.recipient, other]).finished_components() == {}


def test_a_component_that_is_begun_again_is_not_finished(writer: SetWriter) -> None:
    write_component(writer, POSTGRESQL)

    writer.component(POSTGRESQL)

    assert writer.finished_components() == {}


def test_objects_of_an_earlier_attempt_are_not_left_in_the_set(
    store: LocalStore, pair: KeyPair
) -> None:
    backup_id = new_id()
    first = SetWriter(store, backup_id, [pair.recipient])
    write_component(first, POSTGRESQL, {"postgresql/dropped.dump": b"1"})
    write_component(first, QDRANT, {"qdrant/a.snapshot": b"2"})
    store.put(f"{set_prefix(backup_id)}marks/held.json", b"{}")

    second = SetWriter(store, backup_id, [pair.recipient])
    write_component(second, POSTGRESQL, {DUMP: b"3"})
    manifest = complete(second, POSTGRESQL)

    assert set(files_of(store, backup_id)) == {
        "manifest.json",
        "marks/held.json",
        f"{DUMP}.zst.sealed",
    }
    assert verify(store, backup_id, pair.private, signers=signers()).ok
    assert manifest.component(QDRANT) is None


def calls_of_a_whole_backup(store: LocalStore, pair: KeyPair) -> int:
    counting = FailingStore(store)
    write_set(counting, pair.recipient)
    return counting.calls


@pytest.mark.slow
def test_a_failure_of_the_store_at_any_call_is_loud_and_the_next_run_completes(
    tmp_path: Path, pair: KeyPair
) -> None:
    calls = calls_of_a_whole_backup(make_store(tmp_path / "counted"), pair)

    for fail_at in range(1, calls + 1):
        store = make_store(tmp_path / f"store{fail_at}")
        backup_id = new_id()
        with pytest.raises(StoreError, match=f"Call {fail_at} failed"):
            write_set(FailingStore(store, fail_at), pair.recipient, backup_id=backup_id)
        listed = {s.key for s in store.list("sets/")}
        if f"sets/{backup_id}/manifest.json" not in listed:
            write_set(store, pair.recipient, backup_id=backup_id)

        assert verify(store, backup_id, pair.private, deep=True, signers=signers()).ok
    assert calls > 20
