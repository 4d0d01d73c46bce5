"""Verification names each object that is not as the manifest says, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.core.progress import Progress
from onyx_pipelines.vault.layout import set_prefix
from onyx_pipelines.vault.manifest import NewerFormatError
from onyx_pipelines.vault.verification import ObjectVerdict, verify
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import (
    FailingStore,
    files_of,
    make_store,
    new_id,
    signers,
    write_set,
)
from onyx_pipelines_tests.vault.verified_sets import DUMP, KEYS, TAR, Sample, original, sample

__all__ = ["original", "sample"]


def test_a_set_in_a_newer_format_gets_no_verdict(sample: Sample) -> None:
    path = sample.path("manifest.json")
    plant(path, replaced(b'"format_version": 2', b'"format_version": 7'))

    with pytest.raises(NewerFormatError, match=r"manifest\.json in the local store has format"):
        sample.verify()


def test_an_intact_set_has_no_problem(sample: Sample) -> None:
    verification = sample.verify()

    assert verification.ok
    assert verification.authenticated
    assert {v.key for v in verification.objects} == {*KEYS, "manifest.json"}
    assert verification.problems == ()


def test_the_older_set_is_not_bothered_by_damage_to_the_newer_one(sample: Sample) -> None:
    sample.path(DUMP).write_bytes(b"")

    assert verify(sample.store, sample.older.backup_id, signers=signers()).ok


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_object_is_named(sample: Sample, key: str) -> None:
    sample.path(key).unlink()

    assert sample.verify().problems == (ObjectVerdict(key, "is missing"),)


def test_exchanged_objects_are_named_both_with_what_they_hold(
    tmp_path: Path, original: Sample
) -> None:
    content = {"postgresql/a.dump": b"a" * 100, "postgresql/b.dump": b"b" * 100}
    store = make_store(tmp_path / "store")
    manifest = write_set(store, original.pair.recipient, content=content)
    sample = Sample(store, original.pair, manifest, manifest)
    a, b = (sample.path(record.key) for record in manifest.objects)
    bytes_of_a = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(bytes_of_a)

    of_a, of_b = "postgresql/a.dump.zst.sealed", "postgresql/b.dump.zst.sealed"
    assert sample.verify().problems == (
        ObjectVerdict(of_a, f"holds the bytes of {of_b}"),
        ObjectVerdict(of_b, f"holds the bytes of {of_a}"),
    )


def test_an_object_replayed_from_an_older_set_is_named(sample: Sample) -> None:
    shutil.copy(sample.path(DUMP, sample.older), sample.path(DUMP))

    (verdict,) = sample.verify().problems

    assert verdict.key == DUMP
    assert verdict.problem
    assert "has SHA-256" in verdict.problem


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda data: data[:-3], "is 3 bytes shorter than its "),
        (lambda data: data + b"\0\0", "is 2 bytes longer than its "),
    ],
)
def test_a_wrong_length_is_told(
    sample: Sample, edit: Callable[[bytes], bytes], problem: str
) -> None:
    sample.path(TAR).write_bytes(edit(sample.path(TAR).read_bytes()))

    (verdict,) = sample.verify().problems

    assert verdict.key == TAR
    assert verdict.problem
    assert verdict.problem.startswith(problem)


def test_several_problems_are_all_named(sample: Sample) -> None:
    sample.path(DUMP).unlink()
    sample.path(TAR).write_bytes(b"")

    assert sample.problem_keys() == {DUMP, TAR}


def test_an_object_that_no_manifest_lists_is_named(sample: Sample) -> None:
    extra = sample.path("postgresql/extra.dump.zst.sealed")
    extra.write_bytes(b"x")

    assert sample.verify().problems == (
        ObjectVerdict("postgresql/extra.dump.zst.sealed", "is not in the manifest"),
    )


def test_marks_and_a_left_over_component_record_are_no_problem(sample: Sample) -> None:
    prefix = set_prefix(sample.manifest.backup_id)
    sample.store.put(f"{prefix}marks/held.json", b"{}")
    sample.store.put(f"{prefix}components/postgresql.json", b"{}")

    assert sample.verify().ok


def test_a_set_that_is_not_there_is_not_found(sample: Sample) -> None:
    with pytest.raises(NotFoundError, match="has no backup set"):
        verify(sample.store, new_id())


def test_a_set_without_its_manifest_is_not_found(sample: Sample) -> None:
    sample.path("manifest.json").unlink()

    with pytest.raises(NotFoundError):
        sample.verify()


def test_the_manifest_of_another_set_is_named(sample: Sample) -> None:
    shutil.copy(sample.path("manifest.json", sample.older), sample.path("manifest.json"))

    (verdict,) = sample.verify().objects

    assert verdict.key == "manifest.json"
    assert verdict.problem
    assert "another set" in verdict.problem


def test_a_deep_verification_unseals_every_object(sample: Sample) -> None:
    verification = sample.verify(deep=True)

    assert verification.ok
    assert verification.deep


def test_a_deep_verification_finds_what_a_writer_recorded_wrongly(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "onyx_pipelines.vault.component_writing.object_context", lambda *_: b"elsewhere"
    )
    store = make_store(tmp_path / "other")
    manifest = write_set(store, sample.pair.recipient)
    monkeypatch.undo()

    shallow = verify(store, manifest.backup_id, sample.pair.private)
    deep = verify(store, manifest.backup_id, sample.pair.private, deep=True)

    assert shallow.intact
    assert [verdict.key for verdict in deep.problems] == [r.key for r in manifest.objects]


def test_damage_is_named_by_a_deep_verification_too(sample: Sample) -> None:
    data = bytearray(sample.path(DUMP).read_bytes())
    data[100] ^= 1
    sample.path(DUMP).write_bytes(data)

    verification = sample.verify(deep=True)

    assert [verdict.key for verdict in verification.problems] == [DUMP]
    assert "has SHA-256" in (verification.problems[0].problem or "")


def test_a_deep_verification_needs_a_key(sample: Sample) -> None:
    with pytest.raises(ValueError, match="needs the private key"):
        verify(sample.store, sample.manifest.backup_id, deep=True)


def test_a_store_that_fails_for_a_moment_gives_no_verdict(sample: Sample) -> None:
    counting = FailingStore(sample.store)
    verify(counting, sample.manifest.backup_id, sample.pair.private)

    for fail_at in range(1, counting.calls + 1):
        with pytest.raises(StoreError, match=f"Call {fail_at} failed"):
            verify(FailingStore(sample.store, fail_at), sample.manifest.backup_id)


class UnreadableStore(FailingStore):
    """Opening one object fails for good, as on a disk with a bad sector."""

    def open(self, key: str):  # type: ignore[no-untyped-def]  # as its base has it
        if key.endswith(TAR):
            raise StoreError("Input/output error.", remedy="Replace the disk.")
        return super().open(key)


def test_an_object_that_can_never_be_read_is_named_and_the_others_are_checked(
    sample: Sample,
) -> None:
    verification = verify(UnreadableStore(sample.store), sample.manifest.backup_id)

    assert verification.problems == (ObjectVerdict(TAR, "cannot be read: Input/output error."),)
    assert len(verification.objects) == len(KEYS) + 1


def test_progress_is_reported_for_each_object_to_its_end(sample: Sample) -> None:
    reports: list[Progress] = []

    verify(sample.store, sample.manifest.backup_id, progress=reports.append)

    ends = {report.item: report.done_bytes for report in reports if report.finished}
    assert ends == {record.key: record.sealed_bytes for record in sample.manifest.objects}


def test_files_of_the_sample_are_what_the_tests_think(original: Sample) -> None:
    assert set(files_of(original.store, original.manifest.backup_id)) == {*KEYS, "manifest.json"}
