"""A volume that was not empty and now is may not be mounted: each set of a week says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.backup.doubts import find_doubts
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, make_vault

NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.fixture
def empty(vault: Vault, volume: Path) -> Manifest:
    return vault.back_up({"notes": volume}).manifest


@pytest.fixture
def filled(vault: Vault, volume: Path, empty: Manifest) -> Manifest:
    (volume / "small.txt").write_text("small", encoding="utf-8")
    return vault.back_up({"notes": volume}).manifest


def ago(manifest: Manifest, days: int) -> Manifest:
    return manifest.model_copy(update={"timestamp": NOW - timedelta(days=days)})


def doubts(manifest: Manifest, *earlier: Manifest) -> list[str]:
    records = list(manifest.components.values())
    return [each.what for each in find_doubts(records, (), left_out=(), earlier=earlier)]


def test_the_first_one_and_those_after_it_say_so(empty: Manifest, filled: Manifest) -> None:
    expected = ["volume notes: empty, though not in the set of 2026-11-24 04:00 UTC"]

    assert doubts(empty, ago(filled, 2), ago(filled, 3)) == expected
    assert doubts(empty, ago(empty, 0), ago(empty, 1), ago(filled, 2)) == expected


def test_after_a_week_it_is_normal(empty: Manifest, filled: Manifest) -> None:
    assert doubts(empty, ago(empty, 0), ago(filled, 8)) == []


def test_one_that_never_held_anything_is_none(empty: Manifest) -> None:
    assert doubts(empty, ago(empty, 1)) == []


def test_nor_is_one_that_is_filled_again(empty: Manifest, filled: Manifest) -> None:
    assert doubts(filled, ago(empty, 1), ago(filled, 2)) == []


def test_one_that_an_engine_has_made_anew_puts_the_backup_in_doubt(
    volume_host: HostUnderTest, docker: DockerWorld
) -> None:
    """`docker compose down --volumes` and up again: same name, same place, nothing in it."""
    place = docker.create_volume("notes")
    (place / "small.txt").write_text("small", encoding="utf-8")
    volume_host.set(VOLUMES=f"notes={place}", DOCKER_HOST=docker.host)
    volume_host.run()
    docker.remove_volume("notes")
    docker.create_volume("notes")

    problems = volume_host.run().problems

    assert any("volume notes: empty, though not in the set of" in each for each in problems)
