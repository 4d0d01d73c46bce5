# pathlib has no bytes, and names here are any bytes.
# ruff: noqa: PTH101, PTH103, PTH115, PTH118, PTH123, PTH211
"""Trees of files for the tests of volumes: made at random, archived, extracted, and looked at.

`tree_of` walks with `os.walk` and `lstat`, so that it shares nothing with the code under test.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import strategies as st

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.source import ComponentReport
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.sources.volumes.facts import Counts, Entry, read_facts
from onyx_pipelines_tests.recording_sink import RecordingSink


@dataclass(frozen=True)
class Archived:
    report: ComponentReport
    tar: bytes
    facts: bytes

    @property
    def entries(self) -> dict[bytes, Entry]:
        return {entry.path: entry for entry in read_facts(self.facts.splitlines())[1]}


def archive(
    root: Path, *, excludes: Sequence[str] = (), sink: RecordingSink | None = None
) -> Archived:
    sink = sink or RecordingSink()
    report = VolumesSource({"v": root}, excludes=excludes).back_up(sink, silent)
    return Archived(
        report, sink.objects["volumes/v.tar"].data, sink.objects["facts/volumes/v.jsonl"].data
    )


def extract_with_gnu_tar(tar: bytes, into: Path) -> Path:
    """Anything that it says is a failure, except that a file is older than 1970."""
    into.mkdir(parents=True)
    done = subprocess.run(
        ["tar", "-xpf", "-", "-C", into, "--numeric-owner", "--acls", "--xattrs",
         "--xattrs-include=*", "--warning=no-timestamp"],
        input=tar,
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    return into


def extract_with_python(tar: bytes, into: Path) -> Path:
    into.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(tar)) as members:
        # Not the argument `filter`, which Python before 3.11.4 does not have.
        members.extraction_filter = lambda member, _: member
        members.extractall(into, numeric_owner=True)
    return into


@dataclass(frozen=True)
class Node:
    """`names` are all paths of the same inode; none for a directory."""

    kind: int
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int | None
    sha256: str | None
    target: bytes | None
    names: tuple[bytes, ...]
    xattrs: Mapping[str, bytes]


def tree_of(root: Path) -> dict[bytes, Node]:
    """Every path but sockets, which no archive can hold."""
    base = os.fsencode(root)
    found: dict[bytes, os.stat_result] = {b".": os.lstat(base)}
    for folder, folders, files in os.walk(base):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            found[os.path.relpath(path, base)] = os.lstat(path)
    inodes: dict[int, list[bytes]] = {}
    for path, status in sorted(found.items()):
        inodes.setdefault(status.st_ino, []).append(path)
    return {
        path: _node(os.path.join(base, path), status, tuple(inodes[status.st_ino]))
        for path, status in found.items()
        if not stat.S_ISSOCK(status.st_mode)
    }


def _node(path: bytes, status: os.stat_result, names: tuple[bytes, ...]) -> Node:
    is_file = stat.S_ISREG(status.st_mode)
    is_link = stat.S_ISLNK(status.st_mode)
    return Node(
        kind=stat.S_IFMT(status.st_mode),
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if is_file else None,
        sha256=_sha256(path) if is_file else None,
        target=os.readlink(path) if is_link else None,
        names=() if stat.S_ISDIR(status.st_mode) else names,
        xattrs={
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
        },
    )


def without_what_tarfile_loses(tree: Mapping[bytes, Node]) -> dict[bytes, Node]:
    """Python's tarfile restores neither attributes nor nanoseconds, nor further names of links."""
    return {
        path: replace(node, mtime_ns=0, xattrs={}, names=node.names if node.sha256 else ())
        for path, node in tree.items()
    }


def nodes_of_facts(entries: Mapping[bytes, Entry]) -> dict[bytes, tuple[object, ...]]:
    return {
        path: (e.type, e.mode, (e.uid, e.gid), e.mtime_ns, e.size_bytes, e.sha256, e.link_target)
        for path, e in entries.items()
        if e.archived
    }


_FACT_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character_device",
    stat.S_IFBLK: "block_device",
}


def nodes_of_tree(tree: Mapping[bytes, Node]) -> dict[bytes, tuple[object, ...]]:
    return {
        path: (_FACT_TYPES[n.kind], n.mode, n.owner, n.mtime_ns, n.size, n.sha256, n.target)
        for path, n in tree.items()
    }


def end_of_facts(facts: bytes) -> Counts:
    return Counts(**json.loads(facts.splitlines()[-1])["end"])


def _sha256(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Sparse:
    """Bytes at offsets, and a length."""

    size: int
    data: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class Symlink:
    target: bytes


@dataclass(frozen=True)
class HardLink:
    """To what was made last and is no directory, if any: also a symbolic link, or a fifo."""


@dataclass(frozen=True)
class Fifo:
    pass


Content = bytes | Sparse | Symlink | HardLink | Fifo
Tree = dict[bytes, "Content | Tree"]

names = (
    st.one_of(
        st.binary(min_size=1, max_size=24),
        st.binary(min_size=90, max_size=255),
        st.text(min_size=1, max_size=12).map(lambda s: s.encode("utf-8", "surrogatepass")),
    )
    .map(lambda name: name.replace(b"/", b"|").replace(b"\0", b"0")[:255])
    .filter(lambda name: name not in (b".", b".."))
)
_targets = st.binary(min_size=1, max_size=300).map(lambda target: target.replace(b"\0", b"0"))
_sparse = st.builds(
    Sparse,
    size=st.integers(0, 3_000_000),
    data=st.lists(
        st.tuples(st.integers(0, 2_000_000), st.binary(min_size=1, max_size=9000)), max_size=4
    ).map(tuple),
)
_contents = st.one_of(
    st.binary(max_size=2000),
    st.builds(lambda piece, count: piece * count, st.binary(min_size=1, max_size=9),
              st.integers(0, 300_000)),
    _sparse,
    st.builds(Symlink, _targets),
    st.builds(HardLink),
    st.builds(Fifo),
)  # fmt: skip
trees: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(names, _contents, max_size=4),
    lambda below: st.dictionaries(names, st.one_of(_contents, below), max_size=5),
    max_leaves=10,
)


def make_tree(root: Path, tree: Tree, modes: Sequence[int] = (0o644,)) -> None:
    """Modes are taken in turn, and so are odd times."""
    _Maker(modes).make(os.fsencode(root), tree)


class _Maker:
    def __init__(self, modes: Sequence[int]) -> None:
        self._modes = modes
        self._made = 0
        self._last: bytes | None = None

    def make(self, folder: bytes, tree: Tree) -> None:
        os.makedirs(folder, exist_ok=True)
        for name, content in tree.items():
            path = os.path.join(folder, name)
            if isinstance(content, dict):
                self.make(path, content)
            else:
                self._make_one(path, content)
            self._made += 1
            time_ns = (self._made - 2) * 86_400_123_456_789
            os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)

    def _make_one(self, path: bytes, content: Content) -> None:
        mode = self._modes[self._made % len(self._modes)]
        if isinstance(content, Symlink):
            os.symlink(content.target[:4000], path)
        elif isinstance(content, Fifo):
            os.mkfifo(path)
        elif isinstance(content, HardLink) and self._last is not None:
            os.link(self._last, path, follow_symlinks=False)
        else:
            with open(path, "wb") as file:
                _fill(file, content)
            os.chmod(path, mode)
        self._last = path


def _fill(file: io.BufferedWriter, content: Content) -> None:
    if isinstance(content, bytes):
        file.write(content)
    elif isinstance(content, Sparse):
        for offset, data in content.data:
            file.seek(offset)
            file.write(data)
        file.truncate(content.size)
