"""What the archiver wrote comes back the same, whoever extracts it, in a small amount of memory."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive import headers
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines.restore.volumes.selection import select
from onyx_pipelines.sandbox.sample_volumes import make_awkward_files
from onyx_pipelines_tests.restore.volumes.crafted_tar import extract, member, tar_of
from onyx_pipelines_tests.sources.volumes.trees import Tree, archive, make_tree, tree_of, trees

_modes = st.lists(st.integers(0, 0o7777).map(lambda mode: mode | 0o400), min_size=1, max_size=3)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(tree=trees, modes=_modes)
def test_any_tree_comes_back_the_same(tree: Tree, modes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "volume"
        make_tree(root, tree, modes)

        extract(archive(root).tar, Path(directory) / "out")

        assert tree_of(Path(directory) / "out") == tree_of(root)


def test_the_awkward_sample_comes_back_the_same_and_as_sparse(tmp_path: Path) -> None:
    make_awkward_files(tmp_path / "volume")

    extract(archive(tmp_path / "volume").tar, tmp_path / "out")

    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "volume")
    sparse = Path("kinds") / "sparse"
    original = (tmp_path / "volume" / sparse).stat()
    assert (tmp_path / "out" / sparse).stat().st_blocks == original.st_blocks


def test_a_tree_deeper_than_open_files_allow_comes_back(tmp_path: Path) -> None:
    tree: Tree = {b"bottom": b"deep"}
    for _ in range(150):
        tree = {b"d": tree}
    make_tree(tmp_path / "volume", tree)

    extract(archive(tmp_path / "volume").tar, tmp_path / "out")

    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "volume")


def test_attributes_and_access_lists_come_back(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").touch()
    os.setxattr(volume / "file", "system.posix_acl_access", _DEFAULT_LIST)
    os.setxattr(volume / "file", "user.with=equals%3D%", bytes(range(256)))
    os.setxattr(volume, "user.of the root", b"")
    os.setxattr(volume, "system.posix_acl_default", _DEFAULT_LIST)

    extract(archive(volume).tar, tmp_path / "out")

    assert tree_of(tmp_path / "out") == tree_of(volume)
    assert tree_of(volume)[b"."].xattrs["system.posix_acl_default"] == _DEFAULT_LIST


_DEFAULT_LIST = bytes.fromhex(
    "02000000"  # version; then tag, permissions, qualifier
    "01000700ffffffff"
    "02000500e8030000"
    "04000500ffffffff"
    "10000500ffffffff"
    "20000000ffffffff"
)


def test_a_default_list_above_does_not_reach_what_is_restored(tmp_path: Path) -> None:
    (tmp_path / "volume" / "folder").mkdir(parents=True)
    (tmp_path / "volume" / "folder" / "file").touch()
    os.setxattr(tmp_path, "system.posix_acl_default", _DEFAULT_LIST)

    extract(archive(tmp_path / "volume").tar, tmp_path / "out")

    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "volume")


def test_device_nodes_are_made_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []

    def make_node(name: bytes, mode: int, device: int, *, dir_fd: int) -> None:
        """Only root may: a plain file stands for the node."""
        made.append((mode, device))
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=dir_fd))

    monkeypatch.setattr(os, "mknod", make_node)
    tar = tar_of(member(b"./null", headers.CHARACTER_DEVICE, device=(1, 3), mode=0o666))

    extract(tar, tmp_path / "out", make_devices=True)

    assert made == [(stat.S_IFCHR | 0o600, os.makedev(1, 3))]
    assert (tmp_path / "out" / "null").stat().st_mode & 0o7777 == 0o666


def test_only_what_was_chosen_comes_back_with_the_folders_above_it(tmp_path: Path) -> None:
    make_tree(
        tmp_path / "volume",
        {b"a": {b"b": {b"c": b"1", b"d": b"2"}, b"e": b"3"}, b"a.txt": b"4", b"z": b"5"},
    )
    whole = tree_of(tmp_path / "volume")

    extract(archive(tmp_path / "volume").tar, tmp_path / "out", selection=select(["a/b", "z"]))

    found = tree_of(tmp_path / "out")
    assert found.keys() == {b".", b"a", b"a/b", b"a/b/c", b"a/b/d", b"z"}
    assert found == {path: whole[path] for path in found}


def test_somebody_else_than_root_gets_everything_but_owners_and_what_runs_as_them(
    tmp_path: Path,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(0o777)
        make_tree(folder / "volume", {b"d": {b"f": b"1"}, b"s": b"2"}, [0o4755, 0o600])
        (folder / "a.tar").write_bytes(archive(folder / "volume").tar)
        subprocess.run([sys.executable, "-c", _EXTRACT_AS_NOBODY, folder], check=True)

        found = tree_of(folder / "out")
        expected = tree_of(folder / "volume")

    assert {path: (n.mode, n.sha256, n.mtime_ns) for path, n in found.items()} == {
        path: (n.mode if n.owner == found[path].owner else n.mode & ~0o6000, n.sha256, n.mtime_ns)
        for path, n in expected.items()
    }


_EXTRACT_AS_NOBODY = """
import os, sys
from pathlib import Path
from onyx_pipelines_tests.restore.volumes.crafted_tar import extract
# Root may set any owner, so root becomes somebody else.
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
extract((Path(sys.argv[1]) / "a.tar").read_bytes(), Path(sys.argv[1]) / "out")
"""


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _PEAK_OF_A_LARGE_EXTRACTION, tmp_path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert int(answer) < 16_000_000


_PEAK_OF_A_LARGE_EXTRACTION = """
import os, sys, tracemalloc
from pathlib import Path
from onyx_pipelines.archive.reading import ArchiveBlocks
from onyx_pipelines.archive.reading import Archive
from onyx_pipelines.restore.volumes.extraction import Extractor
from onyx_pipelines.archive.headers import END_OF_ARCHIVE
from onyx_pipelines_tests.restore.volumes.crafted_tar import folder, member

SIZE = 300 << 20
FILES = 3000

class Endless:
    def __init__(self):
        self.pieces = self._pieces()
        self.rest = b""
    def _pieces(self):
        yield folder(b"./")
        yield member(b"./a", size_bytes=SIZE)
        for _ in range(SIZE >> 20):
            yield bytes(1 << 20)
        for number in range(FILES):
            yield member(b"./b%06d" % number, content=b"x")
        yield END_OF_ARCHIVE
    def read(self, size):
        while len(self.rest) < size and (piece := next(self.pieces, None)) is not None:
            self.rest += piece
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

root = Path(sys.argv[1]) / "out"
root.mkdir()
root_fd = os.open(root, os.O_RDONLY)
total = 512 * 2 + SIZE + FILES * 1024 + 1024
tracemalloc.start()
Extractor(root_fd, make_devices=False).extract(
    Archive(ArchiveBlocks(Endless(), total, lambda _: None)))
print(tracemalloc.get_traced_memory()[1])
"""


def test_limits_of_the_host_are_counted_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    records = ((b"SCHILY.xattr.trusted.onyx", b"1"), (b"SCHILY.acl.access", b"user::rw-"))
    tar = tar_of(member(b"./a", records=(*records, (b"uid", b"12345678"))))
    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "chown", refuse)

    limits = extract(tar, tmp_path / "out")

    assert [limit for limit in Limit if limit in limits] == [
        Limit.OWNERS,
        Limit.ATTRIBUTES,
        Limit.ACCESS_LISTS,
    ]
