"""Whatever byte of a set is another, verification names what it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.vault.verification import verify
from onyx_pipelines_tests.planting import plant
from onyx_pipelines_tests.vault.verified_sets import KEYS, Sample, copy_of, original

__all__ = ["original"]

pytestmark = pytest.mark.slow


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


ANY = given(
    key=st.sampled_from(KEYS),
    damage=st.sampled_from(DAMAGES),
    place=st.floats(0, 1, exclude_max=True),
)


def damaged(original: Sample, folder: Path, key: str, damage: Damage, place: float) -> Sample:
    sample = copy_of(original, folder)
    older = sample.path(key, sample.older).read_bytes()
    plant(sample.path(key), lambda data: damage(data, older, place))
    return sample


@settings(
    deadline=None, max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@ANY
def test_any_damage_to_any_object_is_found_and_named_and_nothing_else(
    original: Sample, tmp_path: Path, key: str, damage: Damage, place: float
) -> None:
    sample = damaged(original, tmp_path / "copy", key, damage, place)

    assert sample.problem_keys() == {key}


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@ANY
def test_any_damage_to_an_object_is_found_without_a_key(
    original: Sample, tmp_path: Path, key: str, damage: Damage, place: float
) -> None:
    sample = damaged(original, tmp_path / "copy", key, damage, place)

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
    deadline=None, max_examples=125, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damage=st.sampled_from([*DAMAGES, other_byte]), place=st.floats(0, 1, exclude_max=True))
def test_any_damage_to_the_manifest_is_found_and_named(
    original: Sample, tmp_path: Path, damage: Damage, place: float
) -> None:
    sample = copy_of(original, tmp_path / "copy")
    path, older = sample.path("manifest.json"), sample.path("manifest.json", sample.older)
    plant(path, lambda data: damage(data, older.read_bytes(), place))

    assert "manifest.json" in sample.problem_keys()
