"""A real restore of chosen paths: they come back, the rest stays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import (
    RestoreError,
)
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.directories import opened, opened_below
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    bytes_of,
    restored,
    settings_for,
    spoil,
)
from onyx_pipelines_tests.sources.volumes.trees import Node, tree_of


def test_chosen_paths_come_back_and_the_rest_stays(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, before = backed_up
    spoil(volume)

    result = restored(
        objects,
        RestoreChoice(volumes=("v",), paths=("folder.txt", "folder/below", "link")),
        settings_for(tmp_path, {"v": volume}),
    )

    after = tree_of(volume)
    assert result.verdict is Verdict.PASSED
    assert (volume / "a.txt").read_bytes() == b"wrong"
    assert (volume / "folder" / "new").read_bytes() == b"since then"
    for path in (b"folder.txt", b"folder/below", b"folder/below/c", b"link"):
        assert after[path] == before[path]


def test_a_chosen_directory_replaces_the_one_that_is_there(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, before = backed_up
    spoil(volume)

    restored(
        objects,
        RestoreChoice(volumes=("v",), paths=("folder",)),
        settings_for(tmp_path, {"v": volume}),
    )

    after = tree_of(volume)
    assert not (volume / "folder" / "new").exists()
    assert {p: n for p, n in after.items() if p.startswith(b"folder/")} == {
        p: n for p, n in before.items() if p.startswith(b"folder/")
    }


def test_a_path_whose_directory_is_gone_brings_it_back(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, before = backed_up
    shutil.rmtree(volume / "folder")

    restored(
        objects,
        RestoreChoice(volumes=("v",), paths=("folder/below/c",)),
        settings_for(tmp_path, {"v": volume}),
    )

    after = tree_of(volume)
    assert {p for p in after if p.startswith(b"folder/")} == {b"folder/below", b"folder/below/c"}
    assert after[b"folder/below/c"] == before[b"folder/below/c"]


def test_paths_of_a_volume_that_is_gone_come_back(
    place: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, _ = backed_up

    restored(
        objects,
        RestoreChoice(volumes=("v",), into=str(place / "gone"), paths=("folder/b.bin",)),
        settings_for(tmp_path),
    )

    assert list(bytes_of(place)) == ["gone/folder/b.bin"]


def test_a_further_name_of_a_file_comes_back_with_its_content(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, before = backed_up
    (volume / "second name").unlink()

    result = restored(
        objects,
        RestoreChoice(volumes=("v",), paths=("second name",)),
        settings_for(tmp_path, {"v": volume}),
    )

    assert result.verdict is Verdict.PASSED
    assert (volume / "second name").read_bytes() == b"a" * 5000
    assert tree_of(volume)[b"second name"].mtime_ns == before[b"second name"].mtime_ns


def test_a_link_on_the_way_to_a_path_is_not_followed(
    volume: Path, place: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, _ = backed_up
    shutil.rmtree(volume / "folder")
    (volume / "folder").symlink_to(place)

    with pytest.raises(RestoreError, match="folder is no directory there"):
        restored(
            objects,
            RestoreChoice(volumes=("v",), paths=("folder/b.bin",)),
            settings_for(tmp_path, {"v": volume}),
        )

    assert list(place.iterdir()) == []


def test_a_path_longer_than_the_kernel_takes_at_once_comes_back(
    volume: Path, tmp_path: Path, vault: Vault
) -> None:
    folders = [b"d" * 250] * 20
    path = b"/".join([*folders, b"file"])
    with opened(volume) as fd:
        for depth in range(len(folders)):
            with opened_below(fd, folders[:depth]) as above:
                os.mkdir(folders[depth], dir_fd=above)
        write(fd, folders, b"as it was")
        objects = vault.back_up({"v": volume})
        write(fd, folders, b"wrong")

        result = restored(
            objects,
            RestoreChoice(volumes=("v",), paths=(path.decode(),)),
            settings_for(tmp_path, {"v": volume}),
        )

        assert result.verdict is Verdict.PASSED
        assert len(path) > os.pathconf(volume, "PC_PATH_MAX")
        with opened_below(fd, folders) as below:
            assert Path(f"/proc/self/fd/{below}/file").read_bytes() == b"as it was"


def write(root_fd: int, folders: list[bytes], content: bytes) -> None:
    with opened_below(root_fd, folders) as below:
        Path(f"/proc/self/fd/{below}/file").write_bytes(content)
