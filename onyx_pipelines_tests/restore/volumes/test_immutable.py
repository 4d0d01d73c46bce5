"""Immutable files (`chattr +i`): a restore replaces them, or refuses before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines_tests.immutable import immutable, make_immutable, make_mutable
from onyx_pipelines_tests.mounting import Kind, mounted
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    bytes_of,
    make_vault,
    plan,
    restored,
    settings_for,
)
from onyx_pipelines_tests.sources.volumes.trees import tree_of
from onyx_pipelines_tests.users import NOBODY, at_home_of

IN_PLACE = RestoreChoice(volumes=("v",))


@pytest.mark.parametrize("path", ["a.txt", "folder", "folder/below/c"])
def test_what_is_immutable_is_replaced_and_nothing_is_left_of_it(
    vault: Vault, volume: Path, path: str
) -> None:
    objects = vault.back_up({"v": volume})
    before, siblings = tree_of(volume), set(volume.parent.iterdir())
    (volume / "folder.txt").write_bytes(b"newer")
    make_immutable(volume / path)

    restored(objects, IN_PLACE, settings_for(volume.parent, {"v": volume}))

    assert tree_of(volume) == before
    assert set(volume.parent.iterdir()) - siblings == {volume.parent / "state"}


@pytest.mark.parametrize(
    ("paths", "path"),
    [((), "."), (("folder/b.bin",), "folder"), (("folder/b.bin",), "folder/b.bin"),
     (("folder/gone",), "folder")],
)  # fmt: skip
def test_what_cannot_make_way_is_refused_before_anything_is_touched(
    vault: Vault, volume: Path, paths: tuple[str, ...], path: str
) -> None:
    (volume / "folder" / "gone").touch()
    objects = vault.back_up({"v": volume})
    (volume / "folder" / "gone").unlink()
    (volume / "folder" / "b.bin").write_bytes(b"newer")
    before, siblings = tree_of(volume), sorted(volume.parent.iterdir())
    settings = settings_for(volume.parent, {"v": volume})
    request = RestoreChoice(volumes=("v",), paths=paths)

    with immutable(volume / path):
        with pytest.raises(RestoreError, match=r"is immutable.*chattr -i"):
            plan(objects, request, settings)
        with pytest.raises(RestoreError, match="is immutable"):
            restored(objects, request, settings)

    assert tree_of(volume) == before
    assert [each for each in sorted(volume.parent.iterdir()) if each.name != "state"] == siblings


def test_what_cannot_make_way_in_a_mount_point_is_refused(vault: Vault, tmp_path: Path) -> None:
    point = tmp_path / "point"
    point.mkdir()
    with mounted(Kind.BIND, point, tmp_path / "beside"):
        (point / "a").write_bytes(b"as it was")
        objects = vault.back_up({"v": point})
        (point / "a").write_bytes(b"newer")

        with immutable(point / "a"), pytest.raises(RestoreError, match="point/a is immutable"):
            restored(objects, IN_PLACE, settings_for(tmp_path, {"v": point}))

        assert bytes_of(point) == {"a": b"newer"}


class TestByAnotherUser:
    @pytest.fixture
    def mine(self) -> Iterator[Path]:
        with at_home_of(NOBODY) as folder:
            (folder / "v" / "d").mkdir(parents=True)
            (folder / "v" / "d" / "a").write_bytes(b"as it was")
            yield folder / "v"

    def test_what_is_left_of_it_is_named(self, mine: Path) -> None:
        objects = make_vault(mine.parent / "vault").back_up({"v": mine})
        os.seteuid(0)
        make_immutable(mine / "d" / "a")
        os.seteuid(NOBODY)

        result = restored(objects, IN_PLACE, settings_for(mine.parent, {"v": mine}))

        left = next(mine.parent.glob(".onyx-restore-*/**/a"))
        os.seteuid(0)
        make_mutable(left)
        os.seteuid(NOBODY)
        assert result.verdict is Verdict.PASSED
        assert bytes_of(mine) == {"d/a": b"as it was"}
        assert str(left.relative_to(mine.parent).parts[0]) in result.findings[-1].message
