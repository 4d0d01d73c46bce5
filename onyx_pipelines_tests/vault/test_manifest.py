"""The manifest: its exact bytes, what it refuses, and its MAC."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from onyx_pipelines.core.errors import IntegrityError, KeyFileError
from onyx_pipelines.sources.source import Component, ComponentStatus
from onyx_pipelines.vault.authenticity import authenticate
from onyx_pipelines.vault.layout import backup_id_of, is_backup_id, is_object_key, set_prefix
from onyx_pipelines.vault.manifest import (
    BackupType,
    ComponentRecord,
    Manifest,
    NewerFormatError,
    ObjectRecord,
    WrappedCopy,
    WrappedKeyset,
    canonical_bytes,
    component_checksum,
    parse_component_record,
    parse_manifest,
    to_bytes,
)
from onyx_pipelines.vault.wrapping import new_sealing_keyset, unwrap, wrap
from onyx_pipelines_tests.planting import planted, replaced
from onyx_pipelines_tests.vault.sets import BEGAN, make_key, make_store, new_id, write_set

UUID = "0f0e0d0c-0000-4000-8000-000000000000"
KEYSET = WrappedKeyset(
    purpose="manifest",
    copies=(WrappedCopy(recipient_id="0" * 16, recipient_name="a", ciphertext="AAAA"),),
)


def object_record(**changes: Any) -> ObjectRecord:
    values: dict[str, Any] = {
        "key": "volumes/uploads.tar.zst.sealed",
        "name": "uploads",
        "component": Component.VOLUMES,
        "media_type": "application/x-tar",
        "compression_level": 1,
        "plain_bytes": 10,
        "plain_sha256": "0" * 64,
        "sealed_bytes": 50,
        "sealed_sha256": "1" * 64,
    }
    return ObjectRecord(**(values | changes))


def component_record(**changes: Any) -> ComponentRecord:
    values: dict[str, Any] = {
        "component": Component.VOLUMES,
        "status": ComponentStatus.COMPLETED,
        "started_at": BEGAN,
        "completed_at": BEGAN,
        "duration_s": 0.5,
        "size_gb": 5e-8,
        "checksum": "2" * 64,
        "summary": {"file_count": 3},
        "versions": {},
        "keyset": KEYSET,
        "objects": (object_record(),),
    }
    return ComponentRecord(**(values | changes))


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "backup_id": UUID,
        "timestamp": BEGAN,
        "completed_at": BEGAN,
        "backup_type": "daily",
        "status": ComponentStatus.COMPLETED,
        "retention_days": 7,
        "host": "testhost",
        "software": "onyx-pipelines 0",
        "components": {"docker_volumes": component_record()},
        "keyset": KEYSET,
        "mac": "AAAA",
    }
    return Manifest(**(values | changes))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(deadline=None, max_examples=60)
@given(
    name=TEXT,
    host=TEXT,
    summary=st.dictionaries(
        TEXT,
        st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
        max_size=4,
    ),
    warnings=st.lists(TEXT, max_size=3),
    when=st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001  (naive on purpose, or made aware below)
)
def test_whatever_is_written_is_read_back_the_same(
    name: str, host: str, summary: dict[str, Any], warnings: list[str], when: datetime
) -> None:
    item = object_record(name=name)
    component = component_record(objects=(item,), summary=summary, warnings=tuple(warnings))
    written = manifest(
        host=host,
        components={"docker_volumes": component},
        timestamp=when.replace(tzinfo=timezone(timedelta(hours=5, minutes=30))),
    )

    read = parse_manifest(to_bytes(written))

    assert read == written
    assert canonical_bytes(read) == canonical_bytes(written)
    assert parse_component_record(to_bytes(component), where="record") == component


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_byte_of_the_file_can_change_and_say_the_same(data: st.DataObject) -> None:
    original = to_bytes(manifest())
    position = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[position] ^= data.draw(st.integers(1, 255))

    try:
        read = parse_manifest(bytes(changed))
    except IntegrityError:
        return
    assert canonical_bytes(read) != canonical_bytes(manifest()) or read.mac != manifest().mac


def test_times_are_written_in_utc() -> None:
    local = datetime(2026, 3, 1, 7, 45, tzinfo=timezone(timedelta(hours=5, minutes=45)))

    assert json.loads(to_bytes(manifest(timestamp=local)))["timestamp"] == "2026-03-01T02:00:00Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        manifest(timestamp=BEGAN.replace(tzinfo=None))


def test_the_mac_covers_compact_sorted_json_without_the_proofs() -> None:
    document = json.loads(to_bytes(manifest(host="Größe \u2028 <&>")))
    del document["mac"], document["signature"]

    expected = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical_bytes(manifest(host="Größe \u2028 <&>")) == expected.encode()


def test_the_checksum_of_a_component_is_that_of_the_sorted_sha256sum_lines() -> None:
    a = object_record(key="volumes/b.zst.sealed", sealed_sha256="a" * 64)
    b = object_record(key="volumes/a.zst.sealed", sealed_sha256="b" * 64)
    lines = f"{'a' * 64}  volumes/b.zst.sealed\n{'b' * 64}  volumes/a.zst.sealed\n"

    assert component_checksum([b, a]) == hashlib.sha256(lines.encode()).hexdigest()


def test_sizes_are_summed_over_components() -> None:
    assert (manifest().sealed_bytes, manifest().plain_bytes) == (50, 10)
    assert manifest().component(Component.VOLUMES) == component_record()
    assert manifest().component(Component.QDRANT) is None


def test_a_newer_format_is_refused_and_not_called_damaged() -> None:
    newer = planted(to_bytes(manifest()), replaced(b'"format_version": 2', b'"format_version": 3'))

    with pytest.raises(NewerFormatError, match="format version 3; this version reads up to 2"):
        parse_manifest(newer)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"format": "onyx-backup-set"}', b"NaN"],
)
def test_what_is_no_manifest_is_damaged(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"sets/x/manifest\.json is damaged"):
        parse_manifest(data, where="sets/x/manifest.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"components": {}},
        {"components": {"volumes": component_record()}},
        {"backup_id": UUID.upper()},
        {"format_version": 0},
        {"retention_days": -1},
        {"mac": ""},
        {"unknown": 1},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        manifest(**changes)


def test_the_same_object_twice_is_refused() -> None:
    twice = component_record(objects=(object_record(), object_record()))

    with pytest.raises(ValidationError, match="occurs twice"):
        manifest(components={"docker_volumes": twice})


def test_an_object_of_another_component_is_refused() -> None:
    with pytest.raises(ValidationError, match="another component"):
        component_record(objects=(object_record(component=Component.QDRANT),))


@pytest.mark.parametrize(
    "key",
    [
        "../../etc/passwd.zst.sealed",
        "/volumes/a.zst.sealed",
        "volumes//a.zst.sealed",
        "volumes/.hidden.zst.sealed",
        "volumes/a\nb.zst.sealed",
        "volumes/a.zst.sealed\n",
        "volumes/a\\b.zst.sealed",
        "volumes/é.zst.sealed",
        "marks/held.zst.sealed",
        "components/a.zst.sealed",
        "manifest.json",
        ".zst.sealed",
        "",
    ],
)
def test_a_key_that_leaves_the_set_or_is_ours_is_refused(key: str) -> None:
    assert not is_object_key(key)
    with pytest.raises(ValidationError):
        object_record(key=key)


@pytest.mark.parametrize("key", ["a", "sets/x/y", "sets/", "other/" + "0" * 36])
def test_a_key_of_no_set_has_no_backup_id(key: str) -> None:
    assert backup_id_of(key) is None


def test_the_backup_id_of_a_key_is_found() -> None:
    backup_id = new_id()

    assert backup_id_of(f"{set_prefix(backup_id)}marks/held.json") == backup_id


@pytest.mark.parametrize("text", ["", "x", "../..", UUID.upper(), f"{UUID}\n"])
def test_only_a_lower_case_uuid_names_a_set(text: str) -> None:
    assert not is_backup_id(text)
    with pytest.raises(ValueError, match="not a lower-case UUID"):
        set_prefix(text)


def test_an_authentic_manifest_is_accepted_by_each_recipient(tmp_path: Path) -> None:
    a, b = make_key(tmp_path, "a"), make_key(tmp_path, "b")
    written = write_set(make_store(tmp_path / "store"), a.recipient, b.recipient)

    authenticate(written, a.private)
    authenticate(written, b.private)


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "elsewhere"},
        {"timestamp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"retention_days": 1},
        {"backup_type": BackupType.MONTHLY},
        {"mac": "AAAA"},
        {"mac": "AAA"},
    ],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    pair = make_key(tmp_path)
    written = write_set(make_store(tmp_path / "store"), pair.recipient)

    with pytest.raises(IntegrityError, match="was altered"):
        authenticate(written.model_copy(update=changes), pair.private)


def test_a_whole_set_copied_under_another_id_is_refused(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    written = write_set(make_store(tmp_path / "store"), pair.recipient)

    with pytest.raises(IntegrityError, match="manifest keyset"):
        authenticate(written.model_copy(update={"backup_id": new_id()}), pair.private)


def test_a_stranger_is_told_whose_key_opens_the_set(tmp_path: Path) -> None:
    a, b = make_key(tmp_path, "a"), make_key(tmp_path, "b")
    written = write_set(make_store(tmp_path / "store"), a.recipient)

    with pytest.raises(KeyFileError, match=rf"not sealed to the key 'b'.*a \({a.recipient.id}\)"):
        authenticate(written, b.private)


def test_a_keyset_opens_only_for_its_set_and_purpose(tmp_path: Path) -> None:
    pair = make_key(tmp_path)
    ours, other = new_id(), new_id()
    wrapped = wrap(
        new_sealing_keyset(), backup_id=ours, purpose="component/a", recipients=[pair.recipient]
    )

    unwrap(wrapped, backup_id=ours, purpose="component/a", key=pair.private)
    with pytest.raises(IntegrityError):
        unwrap(wrapped, backup_id=other, purpose="component/a", key=pair.private)
    with pytest.raises(IntegrityError):
        unwrap(wrapped, backup_id=ours, purpose="component/b", key=pair.private)


def test_nothing_is_wrapped_to_nobody() -> None:
    with pytest.raises(KeyFileError, match="no recipient"):
        wrap(new_sealing_keyset(), backup_id=new_id(), purpose="manifest", recipients=[])
