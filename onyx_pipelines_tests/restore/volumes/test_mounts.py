"""What is mounted inside of a volume is not the volume's: nothing is deleted or moved with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.tree_removal import remove_tree
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines_tests.mounting import Kind, mounted
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    bytes_of,
    plan,
    restored,
    settings_for,
)
from onyx_pipelines_tests.sources.volumes.trees import tree_of

KINDS = pytest.mark.parametrize("kind", [Kind.BIND, Kind.TMPFS, Kind.OVERLAY])


@pytest.fixture
def inner(kind: Kind, volume: Path, tmp_path: Path) -> Iterator[Path]:
    """A directory of the volume at which something else is mounted, with a file in it."""
    point = volume / "folder" / "with blank"
    point.mkdir()
    with mounted(kind, point, tmp_path / "other"):
        (point / "precious").write_bytes(b"precious")
        yield point


@KINDS
def test_a_restore_in_place_is_refused_before_anything_is_touched(
    vault: Vault, volume: Path, tmp_path: Path, inner: Path
) -> None:
    objects = vault.back_up({"v": volume})
    before, siblings = tree_of(volume), sorted(tmp_path.iterdir())
    settings = settings_for(tmp_path, {"v": volume})

    with pytest.raises(RestoreError, match="folder/with blank, which is mounted"):
        restored(objects, RestoreChoice(), settings)

    assert tree_of(volume) == before
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "state"] == siblings


@KINDS
def test_a_plan_says_that_the_restore_will_refuse(
    vault: Vault, volume: Path, tmp_path: Path, inner: Path
) -> None:
    objects = vault.back_up({"v": volume})

    with pytest.raises(RestoreError, match="which is mounted"):
        plan(objects, RestoreChoice(), settings_for(tmp_path, {"v": volume}))


@pytest.mark.parametrize("kind", [Kind.BIND])
@pytest.mark.parametrize("path", ["folder", "folder/with blank", "folder/with blank/precious"])
def test_a_path_around_or_below_a_mount_is_refused(
    vault: Vault, volume: Path, tmp_path: Path, inner: Path, path: str
) -> None:
    objects = vault.back_up({"v": volume})
    before = tree_of(volume)

    with pytest.raises(RestoreError, match="which is mounted"):
        restored(
            objects,
            RestoreChoice(volumes=("v",), paths=(path,)),
            settings_for(tmp_path, {"v": volume}),
        )

    assert tree_of(volume) == before


@pytest.mark.parametrize("kind", [Kind.BIND])
def test_a_path_beside_a_mount_comes_back(
    vault: Vault, volume: Path, tmp_path: Path, inner: Path
) -> None:
    objects = vault.back_up({"v": volume})
    (volume / "folder" / "b.bin").unlink()
    request = RestoreChoice(volumes=("v",), paths=("folder/b.bin",))

    result = restored(objects, request, settings_for(tmp_path, {"v": volume}))

    assert result.verdict is Verdict.PASSED
    assert bytes_of(inner) == {"precious": b"precious"}


@KINDS
def test_a_volume_that_is_a_mount_itself_gets_its_contents_back(
    vault: Vault, tmp_path: Path, kind: Kind
) -> None:
    point = tmp_path / "v"
    point.mkdir()
    with mounted(kind, point, tmp_path / "other"):
        (point / "a").write_bytes(b"as it was")
        objects = vault.back_up({"v": point})
        (point / "a").write_bytes(b"newer")
        (point / "b").write_bytes(b"since then")

        result = restored(objects, RestoreChoice(), settings_for(tmp_path, {"v": point}))

        assert result.verdict is Verdict.PASSED
        assert {path: data for path, data in bytes_of(point).items() if "/" not in path} == {
            "a": b"as it was"
        }
    assert bytes_of(point) == {}


@KINDS
@pytest.mark.parametrize("depth", ["", "a/b"])
def test_nothing_is_removed_through_a_mount(tmp_path: Path, kind: Kind, depth: str) -> None:
    tree = tmp_path / "tree"
    point = tree / depth
    point.mkdir(parents=True)
    with mounted(kind, point, tmp_path / "other"):
        (point / "precious").write_bytes(b"precious")

        with pytest.raises(OSError, match="mounted"):
            remove_tree(tree)

        assert (point / "precious").read_bytes() == b"precious"


def test_a_file_that_is_a_mount_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").touch()
    (tmp_path / "other").write_bytes(b"precious")
    with mounted(Kind.BIND, tmp_path / "tree" / "file", tmp_path / "other"):
        with pytest.raises(OSError, match="busy"):
            remove_tree(tmp_path / "tree")

        assert (tmp_path / "other").read_bytes() == b"precious"
