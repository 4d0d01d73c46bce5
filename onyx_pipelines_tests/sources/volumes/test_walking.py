"""The walk is sorted, complete and bounded: in names kept, and in directories held open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive.attributes import acl_text
from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.host.directories import MAX_OPEN_LEVELS
from onyx_pipelines.host.mounts import parse_pseudo_devices, pseudo_devices
from onyx_pipelines.sources.volumes import walking
from onyx_pipelines.sources.volumes.excludes import exclude_rule
from onyx_pipelines.sources.volumes.walking import Walk, measure_bytes, smallest_names
from onyx_pipelines_tests.sources.volumes.trees import make_tree

_everything = exclude_rule([])


@pytest.fixture
def folder_fd(tmp_path: Path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def _paths(fd: int) -> list[bytes]:
    return [found.path for found in Walk(fd, _everything)]


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _make_deep(root: Path, levels: int) -> None:
    """Deeper than any path may be long."""
    fd = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("directory", dir_fd=fd)
        os.close(os.open("z-file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
        below = os.open("directory", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=st.integers(1, 50), count=st.integers(0, 120))
def test_a_directory_listed_in_passes_gives_every_name_once_and_sorted(
    tmp_path_factory: pytest.TempPathFactory, limit: int, count: int
) -> None:
    folder = tmp_path_factory.mktemp("names")
    names = sorted(f"{number * 7919 % 997}".encode() for number in range(count))
    for name in names:
        (folder / name.decode()).touch()
    fd = os.open(folder, os.O_RDONLY)

    listed: list[bytes] = []
    is_complete = False
    while not is_complete:
        batch, is_complete = smallest_names(fd, listed[-1] if listed else None, limit)
        assert len(batch) <= limit
        listed += batch
    os.close(fd)

    assert listed == names


def test_a_directory_larger_than_one_pass_is_walked_whole(
    tmp_path: Path, folder_fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "NAMES_PER_PASS", 10)
    make_tree(tmp_path, {b"%03d" % number: b"" for number in range(95)})

    assert _paths(folder_fd) == [b".", *(b"%03d" % number for number in range(95))]


def test_a_tree_deeper_than_paths_and_open_directories_may_be_is_walked_whole(
    tmp_path: Path, folder_fd: int
) -> None:
    _make_deep(tmp_path, 450)

    paths = _paths(folder_fd)

    assert len(paths) == 1 + 2 * 450
    assert paths[451] == b"directory/" * 449 + b"z-file"
    assert len(paths[451]) > os.pathconf(tmp_path, "PC_PATH_MAX")
    assert paths[-1] == b"z-file"


def test_few_directories_are_held_open(tmp_path: Path, folder_fd: int) -> None:
    _make_deep(tmp_path, 300)
    before = _open_files()

    most = max(_open_files() for _ in Walk(folder_fd, _everything))

    assert most - before <= MAX_OPEN_LEVELS + 2
    assert _open_files() == before


def test_a_deep_directory_that_moves_meanwhile_fails_the_walk(
    tmp_path: Path, folder_fd: int
) -> None:
    _make_deep(tmp_path, 100)
    walk = iter(Walk(folder_fd, _everything))
    for _ in range(95):
        next(walk)
    inner = Path(*(["directory"] * 20))
    (tmp_path / inner).rename(tmp_path / "elsewhere")

    with pytest.raises(SourceError, match="moved while it was read") as failure:
        list(walk)
    assert failure.value.transient


def test_measuring_adds_up_what_is_not_excluded(tmp_path: Path, folder_fd: int) -> None:
    make_tree(tmp_path, {b"a": b"12345", b"d": {b"b": b"123"}, b"c.tmp": b"1"})

    assert measure_bytes(folder_fd, exclude_rule(["*.tmp"]), max_entries=10) == 8


def test_measuring_gives_up_where_it_would_take_too_long(tmp_path: Path, folder_fd: int) -> None:
    make_tree(tmp_path, {b"%d" % number: b"1" for number in range(10)})

    assert measure_bytes(folder_fd, _everything, max_entries=5) is None


def test_pseudo_file_systems_are_told_from_real_ones() -> None:
    lines = [
        "22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n",
        "28 0 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n",
        "31 28 0:27 / /with\\040space rw - cgroup2 cgroup2 rw\n",
    ]

    assert parse_pseudo_devices(lines) == {os.makedev(0, 21), os.makedev(0, 27)}


@pytest.mark.parametrize(
    "attribute", [b"", b"\x03\0\0\0", b"\x02\0\0\0\x01", b"\x02\0\0\0" + b"\x99" * 8]
)
def test_an_unknown_kind_of_access_list_is_refused(attribute: bytes) -> None:
    with pytest.raises(ValueError, match="access control list"):
        acl_text(attribute)


def test_a_mount_point_with_a_carriage_return_in_its_name_is_one_mount(tmp_path: Path) -> None:
    line = "36 35 0:98 / /mnt/odd\rname rw,noatime - proc proc rw\n"
    table = tmp_path / "mountinfo"
    table.write_text(line, encoding="utf-8", newline="")

    assert pseudo_devices(table) == {os.makedev(0, 98)}
