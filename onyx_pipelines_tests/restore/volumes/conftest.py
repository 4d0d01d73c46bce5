"""A vault for each test of volumes, and no waiting for disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, make_vault
from onyx_pipelines_tests.sources.volumes.trees import Node, tree_of


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut would take is not looked at, and the disk may have much else to write."""
    monkeypatch.setattr("onyx_pipelines.restore.volumes.swapping.sync_file_system", lambda _: None)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path / "vault")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """One of each kind of file, with names that sort differently as text and as a tree."""
    root = tmp_path / "volume"
    (root / "folder" / "below").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"a" * 5000)
    (root / "folder" / "b.bin").write_bytes(bytes(range(256)) * 40)
    (root / "folder" / "below" / "c").write_bytes(b"deep")
    (root / "folder.txt").write_bytes(b"after the folder's content")
    (root / "link").symlink_to("a.txt")
    (root / "second name").hardlink_to(root / "a.txt")
    (root / "folder" / "b.bin").chmod(0o640)
    return root


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where nothing is but what a restore puts there."""
    place = tmp_path / "place"
    place.mkdir()
    return place


@pytest.fixture
def backed_up(vault: Vault, volume: Path) -> tuple[SetObjects, dict[bytes, Node]]:
    return vault.back_up({"v": volume}), tree_of(volume)
