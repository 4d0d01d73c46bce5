"""Writing a set: what exists when, what is refused, what a repeated run keeps."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from onyx_pipelines.core.errors import KeyFileError, NotFoundError, SourceError, StoreError
from onyx_pipelines.sources.source import Component, ComponentStatus, object_path
from onyx_pipelines.vault.authenticity import authenticate
from onyx_pipelines.vault.keys import RECIPIENTS
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.verification import verify
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.vault.sets import (
    BEGAN,
    CONTENT,
    FailingStore,
    KeyPair,
    backup_id_of,
    complete,
    files_of,
    make_key,
    new_id,
    read_all,
    report,
    signers,
    signing_key,
    write_component,
    write_object,
    write_set,
)

POSTGRESQL, QDRANT, VOLUMES = Component.POSTGRESQL, Component.QDRANT, Component.VOLUMES
DUMP = "postgresql/onyx.dump"


def test_what_was_written_is_read_back(store: LocalStore, pair: KeyPair) -> None:
    written = write_set(store, pair.recipient)

    manifest = load_manifest(store, written.backup_id)
    authenticate(manifest, pair.private)
    assert manifest == written
    assert read_all(store, manifest, pair.private) == CONTENT


def test_the_manifest_says_what_was_asked_and_reported(store: LocalStore, pair: KeyPair) -> None:
    manifest = write_set(store, pair.recipient)

    assert manifest.timestamp == BEGAN
    assert manifest.backup_type is BackupType.DAILY
    assert (manifest.retention_days, manifest.host) == (7, "testhost")
    assert manifest.software.startswith("onyx-pipelines ")
    assert list(manifest.components) == ["postgresql", "docker_volumes"]
    assert manifest.components["postgresql"].summary == {"tables_count": 3}
    assert manifest.components["postgresql"].versions == {"pg_dump": "16.4"}


def test_a_partial_set_says_what_it_leaves_out(writer: SetWriter) -> None:
    write_component(writer, POSTGRESQL)

    manifest = writer.complete(
        signing_key=signing_key(),
        components=[POSTGRESQL],
        missing_components={VOLUMES, QDRANT},
        timestamp=BEGAN,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host="testhost",
    )

    assert manifest.missing_components == (QDRANT, VOLUMES)


def test_recorded_sizes_are_those_of_the_files(store: LocalStore, pair: KeyPair) -> None:
    manifest = write_set(store, pair.recipient)
    files = files_of(store, manifest.backup_id)

    assert {r.key: r.sealed_bytes for r in manifest.objects} == {
        key: len(data) for key, data in files.items() if key != "manifest.json"
    }
    assert manifest.components["postgresql"].size_gb == pytest.approx(
        sum(len(d) for key, d in files.items() if "postgresql/" in key) / 1e9
    )


def test_there_is_no_set_before_it_is_complete(store: LocalStore, writer: SetWriter) -> None:
    write_component(writer, POSTGRESQL)
    write_component(writer, VOLUMES)
    backup_id = backup_id_of(store)

    with pytest.raises(NotFoundError, match=f"local store has no backup set {backup_id}"):
        load_manifest(store, backup_id)

    complete(writer, POSTGRESQL, VOLUMES)
    assert load_manifest(store, backup_id).backup_id == backup_id


def test_component_records_are_gone_once_the_set_is_complete(
    store: LocalStore, pair: KeyPair
) -> None:
    manifest = write_set(store, pair.recipient)

    expected = {"manifest.json", *(record.key for record in manifest.objects)}
    assert set(files_of(store, manifest.backup_id)) == expected


def test_the_status_is_the_worst_of_the_components(writer: SetWriter) -> None:
    write_component(writer, POSTGRESQL, status=ComponentStatus.COMPLETED_WITH_WARNINGS)
    write_component(writer, VOLUMES)

    manifest = complete(writer, POSTGRESQL, VOLUMES)

    assert manifest.status is ComponentStatus.COMPLETED_WITH_WARNINGS
    assert manifest.components["docker_volumes"].status is ComponentStatus.COMPLETED


def test_a_host_that_knows_public_keys_only_writes_sets(store: LocalStore, pair: KeyPair) -> None:
    public = RECIPIENTS.make("vault", pair.recipient.public_keyset)
    pair.path.unlink()

    manifest = write_set(store, public)

    assert read_all(store, manifest, pair.private) == CONTENT


def test_each_recipient_opens_the_set(tmp_path: Path, store: LocalStore, pair: KeyPair) -> None:
    other = make_key(tmp_path, "other")

    manifest = write_set(store, pair.recipient, other.recipient)

    assert read_all(store, manifest, pair.private) == CONTENT
    assert read_all(store, manifest, other.private) == CONTENT


def test_a_stranger_opens_nothing(tmp_path: Path, store: LocalStore, pair: KeyPair) -> None:
    manifest = write_set(store, pair.recipient)

    with pytest.raises(KeyFileError, match=r"host \("):
        read_all(store, manifest, make_key(tmp_path, "stranger").private)


def test_the_store_holds_neither_plain_text_nor_the_private_key(
    store: LocalStore, pair: KeyPair
) -> None:
    content = {DUMP: b"a secret sentence " * 100, "volumes/a.tar": b"x"}
    manifest = write_set(store, pair.recipient, content=content)
    private = json.loads(json.loads(pair.path.read_text())["private_keyset"])

    everything = b"".join(files_of(store, manifest.backup_id).values())

    assert b"secret sentence" not in everything
    assert private["key"][0]["keyData"]["value"].encode() not in everything


def test_an_object_whose_block_raises_does_not_exist_and_may_be_written_again(
    store: LocalStore, writer: SetWriter, pair: KeyPair
) -> None:
    sink = writer.component(POSTGRESQL)
    with (  # noqa: PT012  (the block is what must raise)
        pytest.raises(SourceError, match="exit code 1"),
        sink.object(DUMP, name="onyx", media_type="x/y") as stream,
    ):
        stream.write(b"half of the dump")
        raise SourceError("pg_dump ended with exit code 1.", remedy="See its log.")
    assert list(store.list("sets/")) == []

    write_object(sink, DUMP, b"the whole dump")
    sink.finish(report(POSTGRESQL), BEGAN)

    assert read_all(store, complete(writer, POSTGRESQL), pair.private) == {DUMP: b"the whole dump"}


def test_a_store_error_that_the_source_ignores_still_fails_the_object(
    store: LocalStore, pair: KeyPair
) -> None:
    sink = SetWriter(FailingStore(store, 4), new_id(), [pair.recipient]).component(POSTGRESQL)
    ignoring = suppress(StoreError)

    with (  # noqa: PT012  (the block is what must raise)
        pytest.raises(StoreError, match="Call 4 failed"),
        sink.object(DUMP, name="onyx", media_type="x/y") as stream,
    ):
        with ignoring:
            stream.write(os.urandom(8 << 20))
        stream.write(b"and on")

    assert list(store.list("sets/")) == []


def test_several_objects_may_be_open_at_a_time(
    store: LocalStore, writer: SetWriter, pair: KeyPair
) -> None:
    sink = writer.component(VOLUMES)
    with (
        sink.object("volumes/a.tar", name="a", media_type="application/x-tar") as tar,
        sink.object("facts/volumes/a.jsonl", name="a", media_type="application/jsonl") as facts,
    ):
        tar.write(b"one")
        facts.write(b"{}\n")
        tar.write(b"two")
    sink.finish(report(VOLUMES), BEGAN)

    assert read_all(store, complete(writer, VOLUMES), pair.private) == {
        "volumes/a.tar": b"onetwo",
        "facts/volumes/a.jsonl": b"{}\n",
    }


@pytest.mark.parametrize("name", ["Große/Datei", "a b", "..", "x" * 500, "\udcff", "🗄", "=2f", ""])
def test_awkward_names_are_kept_and_their_objects_open(
    store: LocalStore, writer: SetWriter, pair: KeyPair, name: str
) -> None:
    sink = writer.component(VOLUMES)
    path = object_path("volumes", name, suffix=".tar")
    with sink.object(path, name=name, media_type="application/x-tar") as stream:
        stream.write(b"content")
    sink.finish(report(VOLUMES), BEGAN)

    manifest = complete(writer, VOLUMES)

    assert next(manifest.objects).name == name.replace("\udcff", "\\udcff")
    assert list(read_all(store, manifest, pair.private).values()) == [b"content"]
    assert verify(store, manifest.backup_id, pair.private, signers=signers()).ok


def test_the_same_path_twice_is_refused(writer: SetWriter) -> None:
    sink = writer.component(POSTGRESQL)
    write_object(sink, DUMP, b"1")

    with pytest.raises(SourceError, match=r"postgresql/onyx\.dump.*occurs twice"):
        write_object(sink, DUMP, b"2")


def test_the_same_path_twice_at_a_time_is_refused(writer: SetWriter) -> None:
    sink = writer.component(POSTGRESQL)
    with (
        sink.object(DUMP, name="onyx", media_type="x/y"),
        pytest.raises(SourceError, match="occurs twice"),
    ):
        write_object(sink, DUMP, b"2")


@pytest.mark.parametrize(
    "path", ["qdrant/a", "facts/qdrant/a", "../a", "postgresql/../../a", "postgresql/", "a", ""]
)
def test_a_path_of_another_component_or_place_is_refused(writer: SetWriter, path: str) -> None:
    sink = writer.component(POSTGRESQL)

    with pytest.raises(SourceError, match="is not a path of postgresql"):
        write_object(sink, path, b"1")


def test_nothing_is_written_after_the_end(writer: SetWriter) -> None:
    sink = writer.component(POSTGRESQL)
    sink.finish(report(POSTGRESQL), BEGAN)

    with pytest.raises(SourceError, match="after the component's end"):
        write_object(sink, DUMP, b"1")


def test_a_component_does_not_end_while_an_object_is_open(writer: SetWriter) -> None:
    sink = writer.component(POSTGRESQL)

    with (
        sink.object(DUMP, name="onyx", media_type="x/y"),
        pytest.raises(SourceError, match="1 object open"),
    ):
        sink.finish(report(POSTGRESQL), BEGAN)


def test_a_report_on_another_component_is_refused(writer: SetWriter) -> None:
    with pytest.raises(SourceError, match="as qdrant"):
        writer.component(POSTGRESQL).finish(report(QDRANT), BEGAN)


def test_a_component_without_objects_may_be_complete(writer: SetWriter) -> None:
    write_component(writer, QDRANT, {})

    assert complete(writer, QDRANT).components["qdrant"].objects == ()


def test_a_set_without_components_is_refused(writer: SetWriter) -> None:
    with pytest.raises(StoreError, match="it has no component"):
        complete(writer)


def test_a_set_with_an_unfinished_component_is_refused(
    store: LocalStore, writer: SetWriter
) -> None:
    write_component(writer, POSTGRESQL)
    write_object(writer.component(VOLUMES), "volumes/a.tar", b"1")

    with pytest.raises(StoreError, match="volumes is not finished"):
        complete(writer, POSTGRESQL, VOLUMES)

    assert "manifest.json" not in files_of(store, backup_id_of(store))


def test_a_complete_set_is_never_written_to(store: LocalStore, pair: KeyPair) -> None:
    manifest = write_set(store, pair.recipient)
    before = files_of(store, manifest.backup_id)
    writer = SetWriter(store, manifest.backup_id, [pair.recipient])

    with pytest.raises(StoreError, match="never written to"):
        writer.component(POSTGRESQL)
    with pytest.raises(StoreError, match="never written to"):
        complete(writer, POSTGRESQL)

    assert files_of(store, manifest.backup_id) == before


def test_nobody_to_seal_to_is_found_before_anything_is_read(store: LocalStore) -> None:
    with pytest.raises(KeyFileError, match="no recipient"):
        SetWriter(store, new_id(), []).component(POSTGRESQL)


def test_a_naive_time_is_refused(writer: SetWriter) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        writer.component(POSTGRESQL).finish(report(POSTGRESQL), BEGAN.replace(tzinfo=None))


def test_a_clock_that_jumps_back_makes_no_negative_duration(
    store: LocalStore, pair: KeyPair
) -> None:
    writer = SetWriter(store, new_id(), [pair.recipient], now=lambda: BEGAN - timedelta(days=1))

    record = write_component(writer, POSTGRESQL)

    assert record.duration_s >= 0
    assert record.completed_at == BEGAN - timedelta(days=1)
