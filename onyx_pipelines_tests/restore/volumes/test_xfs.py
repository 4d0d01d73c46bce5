"""A restore in place on XFS, to which an exchange of two directories changes their times."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.archive.attributes import ACCESS_LIST, DEFAULT_LIST, acl_attribute
from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.volumes.swap_record import Placement
from onyx_pipelines.restore.volumes.swapping import Swap
from onyx_pipelines_tests.mounting import Kind, mounted
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, restored, settings_for

_LONG_AGO_NS = 1_111_111_111_123_456_789


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """Beside which there is room on its file system."""
    (tmp_path / "disk").mkdir()
    with mounted(Kind.XFS, tmp_path / "disk", tmp_path / "image"):
        folder = tmp_path / "disk" / "v" / "folder"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"content")
        for directory in (folder, folder.parent):
            os.utime(directory, ns=(1, _LONG_AGO_NS))
        yield folder.parent


@pytest.mark.parametrize(("paths", "place"), [((), "."), (("folder",), "folder")])
def test_what_is_put_in_place_has_its_own_time(
    vault: Vault, volume: Path, tmp_path: Path, paths: tuple[str, ...], place: str
) -> None:
    objects = vault.back_up({"v": volume})
    (volume / "folder" / "new").touch()
    settings = settings_for(tmp_path, {"v": volume})

    result = restored(objects, RestoreChoice(volumes=("v",), paths=paths), settings)

    assert result.verdict is Verdict.PASSED
    assert (volume / place).stat().st_mtime_ns == _LONG_AGO_NS
    assert not (volume / "folder" / "new").exists()


def test_what_is_taken_back_has_its_own_time(volume: Path) -> None:
    new = volume.parent / "staging" / "new"
    (new / "folder").mkdir(parents=True)
    (new / "file").touch()
    placements = [
        Placement(
            live=(b"v", *live),
            staged=(b"new", name),
            inode=(new / os.fsdecode(name)).stat().st_ino,
            old_mtime_ns=_LONG_AGO_NS,
        )
        for name, live in ((b"folder", (b"folder",)), (b"file", (b"missing", b"file")))
    ]

    with pytest.raises(RestoreError, match="as it was"):
        Swap(new.parent).place(placements)

    assert (volume / "folder" / "file").read_bytes() == b"content"
    assert (volume / "folder").stat().st_mtime_ns == _LONG_AGO_NS


@pytest.mark.parametrize("came_from_xfs", [True, False])
def test_access_lists_are_the_same_there_and_elsewhere(
    vault: Vault, volume: Path, tmp_path: Path, *, came_from_xfs: bool
) -> None:
    """XFS shows root each list a second time, as an attribute of its own."""
    there = tmp_path / "v"
    shutil.copytree(volume, there)
    backed_up, place = (volume, there) if came_from_xfs else (there, volume)
    users = acl_attribute("user::rwx,user:1234:r--,group::r-x,mask::r-x,other::---")
    for name in (ACCESS_LIST, DEFAULT_LIST):
        os.setxattr(backed_up / "folder", name, users)
    objects = vault.back_up({"v": backed_up})

    result = restored(objects, RestoreChoice(), settings_for(tmp_path, {"v": place}))

    assert result.problems() == []
    assert os.getxattr(place / "folder", DEFAULT_LIST) == users
    assert [name for name in os.listxattr(there / "folder") if "SGI" in name] == []
