"""Random trees, restored and damaged, with rsync as the judge: a drill says what rsync says."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.requirements_of_tests import unavailable
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    drilled,
    make_vault,
    restored,
    settings_for,
)
from onyx_pipelines_tests.rsync import differences
from onyx_pipelines_tests.sources.volumes.trees import (
    Fifo,
    HardLink,
    Symlink,
    Tree,
    archive,
    make_tree,
    trees,
)

few = partial(settings, deadline=None, suppress_health_check=list(HealthCheck))
# To each kind of damage there is something that it can be done to.
BASE: Tree = {
    b"base": {b"file": b"content", b"second": HardLink(), b"link": Symlink(b"file"), b"p": Fifo()}
}
# cap_net_bind_service, as setcap(8) stores it.
_CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@dataclass(frozen=True)
class Marks:
    """What a file has beside its content. `acl` is of setfacl(1)."""

    owner: tuple[int, int]
    attributes: dict[str, bytes]
    acl: str
    folder_mode: int


marks = st.builds(
    Marks,
    owner=st.tuples(st.integers(0, 70_000), st.integers(0, 70_000)),
    attributes=st.dictionaries(
        st.sampled_from(["user.a", "user.=%", "trusted.ü", "security.capability"]),
        st.binary(max_size=300),
        max_size=3,
    ),
    acl=st.sampled_from(["", "", "u:7:rwx", "u:7:r--,g:9:-w-,m::r-x", "d:u:7:rwx,d:o::---"]),
    folder_mode=st.sampled_from([0o755, 0o700, 0o2775, 0o1777, 0o000]),
)
modes = st.lists(st.integers(0, 0o7777), min_size=1, max_size=3)


def mark(root: Path, given: Sequence[Marks]) -> None:
    """All below, in turn; their times stay."""
    for number, path in enumerate(paths_below(root)):
        with times_kept(path):
            _mark_one(path, given[number % len(given)])


def _mark_one(path: Path, marks: Marks) -> None:
    is_plain = not path.is_symlink() and (path.is_file() or path.is_dir())
    mode = path.lstat().st_mode
    os.chown(path, *marks.owner, follow_symlinks=False)
    for name, value in marks.attributes.items() if is_plain else ():
        is_capability = name.startswith("security.")
        if path.is_file() or not is_capability:
            os.setxattr(path, name, _CAPABILITY if is_capability else value)
    if path.is_dir() and is_plain:
        path.chmod(marks.folder_mode)
    elif not path.is_symlink():
        path.chmod(mode & 0o7777)
    if marks.acl and is_plain and (path.is_dir() or not marks.acl.startswith("d:")):
        subprocess.run(["setfacl", "-m", marks.acl, "--", path], check=True)


@contextmanager
def times_kept(*paths: Path) -> Iterator[None]:
    before = {path: path.lstat() for path in paths}
    yield
    for path, status in before.items():
        with suppress(FileNotFoundError):
            times = (status.st_atime_ns, status.st_mtime_ns)
            os.utime(path, ns=times, follow_symlinks=False)


def paths_below(root: Path) -> list[Path]:
    return [root, *sorted(root.rglob("*"))]


def is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def is_no_link(path: Path) -> bool:
    return not path.is_symlink()


def is_no_folder(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


def is_without_capability(path: Path) -> bool:
    return is_plain_file(path) and "security.capability" not in os.listxattr(path)


def has_content(path: Path) -> bool:
    return is_plain_file(path) and path.stat().st_size > 0


def is_shared(path: Path) -> bool:
    return is_no_folder(path) and path.lstat().st_nlink > 1


def is_there(path: Path) -> bool:
    return os.path.lexists(path)


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))


def remove(path: Path) -> None:
    path.unlink() if is_no_folder(path) else shutil.rmtree(path)


def split(path: Path) -> None:
    """It shares its inode with nobody any more."""
    copy = path.parent / "copy"
    subprocess.run(["cp", "-a", "--", path, copy], check=True)
    copy.replace(path)


def become_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


@dataclass(frozen=True)
class Damage:
    """`fits`: to which paths it can be done."""

    act: Callable[[Path], object]
    fits: Callable[[Path], bool] = is_there
    keeps_times: bool = True

    def plant(self, root: Path, number: int) -> None:
        fitting = [path for path in paths_below(root)[1:] if self.fits(path)]
        # Every file of a tree may have the capability already.
        assume(fitting)
        path = fitting[number % len(fitting)]
        with times_kept(path.parent, *([path] if self.keeps_times else [])):
            self.act(path)


DAMAGE = {
    "nothing": Damage(lambda _: None),
    "time": Damage(lambda path: os.utime(path, ns=(1, 7), follow_symlinks=False),
                   keeps_times=False),
    "owner": Damage(lambda path: os.chown(path, 7, -1, follow_symlinks=False)),
    "group": Damage(lambda path: os.chown(path, -1, 7, follow_symlinks=False)),
    "mode": Damage(lambda path: path.chmod(path.stat().st_mode & 0o7777 ^ 0o1), is_no_link),
    "attribute": Damage(
        lambda path: os.setxattr(path, "trusted.planted", b"1", follow_symlinks=False)
    ),
    "capability": Damage(
        lambda path: os.setxattr(path, "security.capability", _CAPABILITY), is_without_capability
    ),
    "longer": Damage(lambda path: path.write_bytes(path.read_bytes() + b"\0"), is_plain_file),
    "flipped": Damage(flip, has_content),
    "removed": Damage(remove),
    "added": Damage(lambda path: (path.parent / "added").touch()),
    "split": Damage(split, is_shared),
    "became a link": Damage(become_a_link, is_no_folder),
}  # fmt: skip


@pytest.fixture(scope="module")
def vault() -> Iterator[Vault]:
    if os.geteuid() != 0:
        unavailable("only root can give files away")
    with tempfile.TemporaryDirectory() as directory:
        yield make_vault(Path(directory))


@few(max_examples=random_examples(15))
@given(tree=trees, modes=modes, given_marks=st.lists(marks, min_size=1, max_size=3))
def test_whatever_is_restored_is_what_rsync_calls_the_same(
    vault: Vault, tree: Tree, modes: list[int], given_marks: list[Marks]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder, root = Path(directory), Path(directory) / "v"
        make_tree(root, tree, modes)
        mark(root, given_marks)
        objects = vault.back_up({"v": root})

        drill = drilled(objects, folder)
        request = RestoreChoice(volumes=("v",), into=str(folder / "out"))
        result = restored(objects, request, settings_for(folder))

        assert differences(root, folder / "out") == []
        assert drill.problems() == result.problems() == []
        assert drill.verdict is result.verdict is Verdict.PASSED


@pytest.mark.parametrize("kind", DAMAGE)
@few(max_examples=random_examples(2, at_night=20))
@given(tree=trees, marks=marks, number=st.integers(0, 1000))
def test_a_drill_fails_if_and_only_if_rsync_sees_a_difference(
    vault: Vault, kind: str, tree: Tree, marks: Marks, number: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder, root, found = Path(directory), Path(directory) / "v", Path(directory) / "found"
        make_tree(root, BASE | tree, [0o644, 0o4755, 0o600])
        mark(root, [marks])
        subprocess.run(["cp", "-a", "--preserve=all", "--", root, found], check=True)
        DAMAGE[kind].plant(found, number)
        objects = vault.seal(
            {"volumes/v.tar": archive(found).tar, "facts/volumes/v.jsonl": archive(root).facts}
        )

        drill = drilled(objects, folder)

        seen = differences(root, found)
        assert bool(seen) is (kind != "nothing")
        assert drill.verdict is (Verdict.FAILED if seen else Verdict.PASSED), seen
