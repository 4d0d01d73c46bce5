"""What is archived comes back the same, through GNU tar and through Python's tarfile."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.sandbox.sample_volumes import make_awkward_files, make_sample_volumes
from onyx_pipelines.sources.volumes.facts import EntryStatus
from onyx_pipelines_tests.sources.volumes.trees import (
    Tree,
    archive,
    extract_with_gnu_tar,
    extract_with_python,
    make_tree,
    nodes_of_facts,
    nodes_of_tree,
    tree_of,
    trees,
    without_what_tarfile_loses,
)

pytestmark = pytest.mark.slow

_quick = settings(deadline=None, max_examples=75, suppress_health_check=list(HealthCheck))
_modes = st.lists(st.integers(0, 0o7777).map(lambda mode: mode | 0o400), min_size=1, max_size=3)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@_quick
@given(tree=trees, modes=_modes)
def test_any_tree_comes_back_the_same_through_both_programs(tree: Tree, modes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "volume"
        make_tree(root, tree, modes)
        before = tree_of(root)

        archived = archive(root)

        by_gnu_tar = tree_of(extract_with_gnu_tar(archived.tar, Path(directory) / "gnu"))
        by_python = tree_of(extract_with_python(archived.tar, Path(directory) / "python"))
        assert by_gnu_tar == before
        assert without_what_tarfile_loses(by_python) == without_what_tarfile_loses(before)
        assert nodes_of_facts(archived.entries) == nodes_of_tree(before)
        assert archived.report.status == "completed"


def test_the_awkward_sample_comes_back_the_same(tmp_path: Path) -> None:
    make_awkward_files(tmp_path / "volume")
    before = tree_of(tmp_path / "volume")

    archived = archive(tmp_path / "volume")

    assert tree_of(extract_with_gnu_tar(archived.tar, tmp_path / "gnu")) == before
    assert nodes_of_facts(archived.entries) == nodes_of_tree(before)
    assert archived.entries[b"kinds/socket"].status is EntryStatus.SKIPPED


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        make_sample_volumes(tmp_path / name, size_bytes=500_000)

    first, second = (archive(tmp_path / n / "onyx_file_store") for n in ("first", "second"))

    assert first == second


def test_a_sparse_file_costs_only_its_data_and_comes_back_sparse(tmp_path: Path) -> None:
    file = tmp_path / "volume" / "sparse"
    file.parent.mkdir()
    with file.open("wb") as handle:
        handle.truncate(192 << 20)
        handle.seek(100 << 20)
        handle.write(b"data" * 4096)

    archived = archive(file.parent)
    restored = extract_with_gnu_tar(archived.tar, tmp_path / "gnu") / "sparse"

    assert len(archived.tar) < 100_000
    assert restored.stat().st_size == 192 << 20
    assert restored.stat().st_blocks == file.stat().st_blocks
    assert tree_of(restored.parent)[b"sparse"] == tree_of(file.parent)[b"sparse"]


def test_hard_links_share_one_inode_again_and_one_copy_in_the_archive(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "sub").mkdir(parents=True)
    (volume / "a").write_bytes(b"x" * 100_000)
    os.link(volume / "a", volume / "sub" / "b")
    os.link(volume / "a", tmp_path / "outside of the volume")

    archived = archive(volume)
    restored = extract_with_gnu_tar(archived.tar, tmp_path / "gnu")

    assert (restored / "a").samefile(restored / "sub" / "b")
    assert len(archived.tar) < 110_000
    assert archived.entries[b"sub/b"].hard_link_to == b"a"
    assert archived.report.summary["file_count"] == 2
    assert archived.report.summary["plain_bytes"] == 100_000


def test_attributes_and_access_lists_come_back(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    file = volume / "file"
    file.write_bytes(b"")
    access_list = _access_list(0o6, {1000: 0o4, 70_000: 0o7}, 0o4, 0o7, 0o0)
    os.setxattr(file, "user.onyx", bytes(range(256)) + b"\n12 x=y\n")
    os.setxattr(file, "user.with=equals%25", b"")
    os.setxattr(file, "system.posix_acl_access", access_list)
    os.setxattr(volume, "system.posix_acl_default", access_list)
    before = tree_of(volume)

    archived = archive(volume)

    assert tree_of(extract_with_gnu_tar(archived.tar, tmp_path / "gnu")) == before
    assert archived.entries[b"file"].xattrs.keys() == {"user.onyx", "user.with=equals%25"}
    assert archived.entries[b"file"].acl_access == (
        "user::rw-,user:1000:r--,user:70000:rwx,group::r--,mask::rwx,other::---"
    )


def test_device_nodes_are_recorded_and_pseudo_file_systems_not_entered() -> None:
    archived = archive(Path("/dev"), excludes=["shm/", "fd", "*[0-9]*/"])

    assert archived.entries[b"null"].type is EntryType.CHARACTER_DEVICE
    assert archived.entries[b"null"].device == (1, 3)
    assert archived.entries[b"pts"].status is EntryStatus.SKIPPED
    assert not [path for path in archived.entries if path.startswith(b"pts/")]


def test_symbolic_links_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_bytes(b"not of this volume")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to("../secret")

    archived = archive(volume)

    assert set(archived.entries) == {b".", b"link"}
    assert b"not of this volume" not in archived.tar


def test_what_is_excluded_is_neither_archived_nor_recorded(tmp_path: Path) -> None:
    make_tree(
        tmp_path / "v", {b"cache": {b"x": b"1", b"y": {b"z": b"2"}}, b"a.tmp": b"3", b"b": b""}
    )

    archived = archive(tmp_path / "v", excludes=["cache/**", "*.tmp"])

    assert set(archived.entries) == {b".", b"cache", b"b"}
    assert archived.report.summary["excluded_count"] == 3
    assert set(tree_of(extract_with_gnu_tar(archived.tar, tmp_path / "gnu"))) == {
        b".",
        b"cache",
        b"b",
    }


def test_access_times_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"read me")
    os.utime(file, ns=(1_000, 2_000))

    archive(tmp_path)

    assert file.stat().st_atime_ns == 1_000


def _access_list(user: int, users: dict[int, int], group: int, mask: int, other: int) -> bytes:
    nobody = 0xFFFFFFFF
    entries = [
        (0x01, user, nobody),
        *((0x02, permissions, uid) for uid, permissions in users.items()),
        (0x04, group, nobody),
        (0x10, mask, nobody),
        (0x20, other, nobody),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
