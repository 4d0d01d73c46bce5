"""Verification names each object that is not as the manifest says, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.core.progress import Progress
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.authenticity import vouched_for
from onyx_pipelines.vault.layout import manifest_key, object_key, set_prefix
from onyx_pipelines.vault.manifest import (
    Manifest,
    NewerFormatError,
    component_checksum,
    to_bytes,
)
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.verification import ObjectVerdict, Verification, verify
from onyx_pipelines.vault.wrapping import new_mac_keyset
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import (
    CONTENT,
    FailingStore,
    KeyPair,
    files_of,
    make_key,
    make_store,
    new_id,
    signers,
    signing_key,
    write_set,
)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Sample:
    """Two sets with the same paths in one store; each test gets a copy of it."""

    store: LocalStore
    pair: KeyPair
    manifest: Manifest
    older: Manifest

    def path(self, key: str, manifest: Manifest | None = None) -> Path:
        return self.store.root / object_key((manifest or self.manifest).backup_id, key)

    def verify(self, *, deep: bool = False) -> Verification:
        key = self.pair.private
        return verify(self.store, self.manifest.backup_id, key, signers=signers(), deep=deep)

    def problem_keys(self) -> set[str]:
        """What is named, be it by a verdict or, for a version from the future, by the error."""
        try:
            return {verdict.key for verdict in self.verify().problems}
        except NewerFormatError as error:
            return {error.what.partition(" in the ")[0].rpartition("/")[2]}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("original")
    pair, store = make_key(folder), make_store(folder / "store")
    older = write_set(store, pair.recipient)
    return Sample(store, pair, write_set(store, pair.recipient), older)


def copy_of(sample: Sample, folder: Path) -> Sample:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample.store.root, folder)
    return Sample(LocalStore(folder), sample.pair, sample.manifest, sample.older)


@pytest.fixture
def sample(original: Sample, tmp_path: Path) -> Sample:
    return copy_of(original, tmp_path / "copy")


KEYS = [f"{path}.zst.sealed" for path in CONTENT]
DUMP, EMPTY, FACTS, TAR = KEYS


def flip(data: bytes, other: bytes, place: float) -> bytes:
    position = int(place * len(data))
    return data[:position] + bytes([data[position] ^ 0x20]) + data[position + 1 :]


def truncate(data: bytes, other: bytes, place: float) -> bytes:
    return data[: int(place * len(data))]


def append(data: bytes, other: bytes, place: float) -> bytes:
    return data + b"\0" * (1 + int(place * 10))


def insert(data: bytes, other: bytes, place: float) -> bytes:
    position = int(place * len(data))
    return data[:position] + b"x" + data[position:]


def empty(data: bytes, other: bytes, place: float) -> bytes:
    return b""


def replay(data: bytes, other: bytes, place: float) -> bytes:
    return other


Damage = Callable[[bytes, bytes, float], bytes]
DAMAGES: list[Damage] = [flip, truncate, append, insert, empty, replay]


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.sampled_from(KEYS),
    damage=st.sampled_from(DAMAGES),
    place=st.floats(0, 1, exclude_max=True),
)
def test_any_damage_to_any_object_is_found_and_named_and_nothing_else(
    original: Sample, tmp_path: Path, key: str, damage: Damage, place: float
) -> None:
    sample = copy_of(original, tmp_path / "copy")
    path = sample.path(key)
    older = sample.path(key, sample.older).read_bytes()
    plant(path, lambda data: damage(data, older, place))

    assert sample.problem_keys() == {key}


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.sampled_from(KEYS),
    damage=st.sampled_from(DAMAGES),
    place=st.floats(0, 1, exclude_max=True),
)
def test_any_damage_to_an_object_is_found_without_a_key(
    original: Sample, tmp_path: Path, key: str, damage: Damage, place: float
) -> None:
    sample = copy_of(original, tmp_path / "copy")
    path = sample.path(key)
    older = sample.path(key, sample.older).read_bytes()
    plant(path, lambda data: damage(data, older, place))

    verification = verify(sample.store, sample.manifest.backup_id)

    assert [verdict.key for verdict in verification.problems] == [key]
    assert not verification.authenticated


def other_byte(data: bytes, other: bytes, place: float) -> bytes:
    """Any byte in any place, by the digits of one number."""
    position = int(place * len(data))
    byte = int(place * 1e9) % 256
    return (
        data[:position]
        + bytes([byte if byte != data[position] else byte ^ 1])
        + data[position + 1 :]
    )


@settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damage=st.sampled_from([*DAMAGES, other_byte]), place=st.floats(0, 1, exclude_max=True))
def test_any_damage_to_the_manifest_is_found_and_named(
    original: Sample, tmp_path: Path, damage: Damage, place: float
) -> None:
    sample = copy_of(original, tmp_path / "copy")
    path, older = sample.path("manifest.json"), sample.path("manifest.json", sample.older)
    plant(path, lambda data: damage(data, older.read_bytes(), place))

    assert "manifest.json" in sample.problem_keys()


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


def forged(sample: Sample) -> None:
    """An object and a manifest that fit each other, by someone with access to the store alone."""
    sample.path(DUMP).write_bytes(sample.path(DUMP, sample.older).read_bytes())
    theirs = sample.older.component(Component.POSTGRESQL)
    ours = sample.manifest.component(Component.POSTGRESQL)
    assert theirs
    assert ours
    objects = tuple(
        next(o for o in theirs.objects if o.key == DUMP) if item.key == DUMP else item
        for item in ours.objects
    )
    component = ours.model_copy(
        update={"objects": objects, "checksum": component_checksum(objects)}
    )
    components = sample.manifest.components | {"postgresql": component}
    manifest = sample.manifest.model_copy(update={"components": components})
    sample.store.put(
        manifest_key(manifest.backup_id),
        to_bytes(vouched_for(manifest, new_mac_keyset(), signing_key("a stranger"))),
    )


def test_a_forgery_that_fits_itself_is_found_with_a_key(sample: Sample) -> None:
    forged(sample)

    assert sample.problem_keys() == {"manifest.json"}


def test_a_forgery_that_fits_itself_cannot_be_found_without_a_key(sample: Sample) -> None:
    forged(sample)

    verification = verify(sample.store, sample.manifest.backup_id)

    assert verification.intact
    assert not verification.authenticated


@pytest.mark.parametrize("known", [Signers(), signers("somebody else")])
def test_a_set_whose_signer_is_not_known_is_intact_and_not_ok(
    sample: Sample, known: Signers
) -> None:
    verification = verify(
        sample.store, sample.manifest.backup_id, sample.pair.private, signers=known
    )

    assert (verification.intact, verification.authenticated, verification.ok) == (
        True,
        False,
        False,
    )
    assert verification.verdict == "not authenticated"
    assert "is not among the signers" in verification.reservation


def test_a_signature_authenticates_without_any_key(sample: Sample) -> None:
    verification = verify(sample.store, sample.manifest.backup_id, signers=signers())

    assert verification.ok
    assert verification.reservation == ""


def test_a_manifest_that_was_edited_after_it_was_signed_is_damaged(sample: Sample) -> None:
    edited = sample.manifest.model_copy(update={"host": "another"})
    sample.store.put(manifest_key(edited.backup_id), to_bytes(edited))

    verification = verify(sample.store, edited.backup_id, signers=signers())

    assert [each.key for each in verification.problems] == ["manifest.json"]
    assert verification.verdict == "damaged"


def test_a_checksum_that_does_not_fit_its_objects_is_found_without_a_key(sample: Sample) -> None:
    volumes = sample.manifest.components["docker_volumes"]
    components = sample.manifest.components | {
        "docker_volumes": volumes.model_copy(update={"checksum": "0" * 64})
    }
    edited = sample.manifest.model_copy(update={"components": components})
    sample.store.put(manifest_key(edited.backup_id), to_bytes(edited))

    (verdict,) = verify(sample.store, edited.backup_id).problems

    assert verdict == ObjectVerdict(
        "manifest.json", "The checksum of docker_volumes does not fit its objects."
    )


def test_a_key_that_cannot_open_the_set_is_told_and_objects_are_still_checked(
    tmp_path: Path, sample: Sample
) -> None:
    sample.path(DUMP).unlink()

    verification = verify(
        sample.store, sample.manifest.backup_id, make_key(tmp_path, "stranger").private
    )

    assert [verdict.key for verdict in verification.problems] == ["manifest.json", DUMP]
    assert "is not sealed to the key 'stranger'" in (verification.problems[0].problem or "")
    assert not verification.authenticated


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
