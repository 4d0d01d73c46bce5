"""A private scratch directory goes with its owner, and nobody else's is ever touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import RestoreError, SettingsError
from onyx_pipelines.host.scratch import (
    abandoned,
    create_owned,
    private_workdir,
    refuse_inside_volumes,
    sweep_workdirs,
)
from onyx_pipelines.host.tree_removal import remove_tree
from onyx_pipelines_tests.children import child
from onyx_pipelines_tests.immutable import make_immutable

_HOLD_ONE = """
import sys, time
from pathlib import Path
from onyx_pipelines.host.scratch import create_owned
owned = create_owned(Path(sys.argv[1]))
(owned.path / "scratch").write_bytes(b"x")
print(owned.path, flush=True)
time.sleep(60)
"""


def test_it_is_private_and_gone_after_the_block(tmp_path: Path) -> None:
    with private_workdir(tmp_path) as directory:
        (directory / "deep").mkdir()
        mode = stat.S_IMODE(directory.stat().st_mode)

    assert mode == 0o700
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_after_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), private_workdir(tmp_path):
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_owner_left_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    with child(_HOLD_ONE, tmp_path) as owner:
        left = Path(owner.line())
        while_it_lives = sweep_workdirs(tmp_path)
        owner.kill()
    mine = create_owned(tmp_path)

    swept = sweep_workdirs(tmp_path)

    assert while_it_lives == []
    assert swept == [left]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        mine.path.name,
        mine.path.name + ".lock",
    ]
    mine.remove()


def test_whatever_outlived_its_owner_can_be_stopped_before_the_sweep(tmp_path: Path) -> None:
    owned = create_owned(tmp_path)
    owned.release()
    seen: list[bool] = []

    sweep_workdirs(tmp_path, before_removal=lambda path: seen.append(path.is_dir()))

    assert seen == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_directory_is_gone_is_removed(tmp_path: Path) -> None:
    owned = create_owned(tmp_path)
    owned.release()
    owned.path.rmdir()

    sweep_workdirs(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_directory_whose_lock_is_gone_is_removed(tmp_path: Path) -> None:
    owned = create_owned(tmp_path)
    owned.release()
    owned.path.with_name(owned.path.name + ".lock").unlink()

    sweep_workdirs(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_other_names_and_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "onyx-scratch-notes").mkdir()
    (tmp_path / f"onyx-scratch-{'0' * 16}").symlink_to(tmp_path / "precious")

    assert list(abandoned(tmp_path)) == []
    assert (tmp_path / "precious").is_dir()
    assert (tmp_path / f"onyx-scratch-{'0' * 16}").is_symlink()


def test_a_parent_that_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match="No scratch directory can be made"):
        create_owned(tmp_path / "absent")

    assert sweep_workdirs(tmp_path / "absent") == []


@pytest.mark.parametrize("inside", ["volume", "volume/below", "link/below"])
def test_scratch_in_a_volume_is_refused_by_any_name(tmp_path: Path, inside: str) -> None:
    (tmp_path / "volume" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("volume")

    with pytest.raises(SettingsError, match="lies in the volume v"):
        refuse_inside_volumes(tmp_path / inside, {"v": tmp_path / "volume"})


def test_scratch_beside_a_volume_is_fine(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume2").mkdir()

    refuse_inside_volumes(
        tmp_path / "volume2", {"v": tmp_path / "volume", "gone": tmp_path / "gone"}
    )


def test_a_deep_and_closed_tree_is_removed_and_no_link_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(tmp_path / "kept")
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.fchmod(fd, 0)
    os.close(fd)
    tree.chmod(0o500)

    remove_tree(tree)

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_wide_tree_is_not_listed_anew_as_a_whole_for_each_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        (tmp_path / "tree" / f"{number}").mkdir(parents=True)
    seen: list[str] = []
    listing = os.scandir

    @contextmanager
    def counting(fd: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        with listing(fd) as entries:
            yield (seen.append(entry.name) or entry for entry in entries)

    monkeypatch.setattr(os, "scandir", counting)

    remove_tree(tmp_path / "tree")

    assert list(tmp_path.iterdir()) == []
    assert len(seen) < 1000


def test_removing_what_is_not_there_or_one_file_is_fine(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "absent")
    remove_tree(tmp_path / "no" / "parent")

    assert list(tmp_path.iterdir()) == []


def test_what_is_immutable_is_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "file").touch()
    (tree / "closed" / "file").touch()
    for path in (tree / "closed" / "file", tree / "closed", tree / "file"):
        make_immutable(path)

    remove_tree(tree)

    assert not tree.exists()
