"""A small file is whole or absent, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from onyx_pipelines.host.durable_files import create_durably, remove_durably, replace_durably

# The kernel kills it in the middle of the write, when the file has 4 KiB.
_KILLED_HALFWAY = """
import resource, signal, sys
from pathlib import Path
from onyx_pipelines.host import durable_files
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
getattr(durable_files, sys.argv[1])(Path(sys.argv[2]), bytes(8192), mode=0o600)
"""


@pytest.mark.parametrize("how", [create_durably, replace_durably])
def test_it_has_the_content_and_the_mode_and_nothing_is_beside_it(
    tmp_path: Path, how: Callable[..., None]
) -> None:
    before = os.umask(0o077)
    try:
        how(tmp_path / "new" / "a", b"whole", mode=0o640)
    finally:
        os.umask(before)

    path = tmp_path / "new" / "a"
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("how", ["create_durably", "replace_durably"])
def test_a_writer_killed_halfway_leaves_no_half_file(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a"

    done = subprocess.run([sys.executable, "-c", _KILLED_HALFWAY, how, path], check=False)

    assert done.returncode == -signal.SIGXFSZ
    assert not path.exists()


def test_what_was_there_stays_when_a_writer_is_killed_halfway(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")

    subprocess.run([sys.executable, "-c", _KILLED_HALFWAY, "replace_durably", path], check=False)

    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("there", ["file", "link to nothing"])
def test_a_new_file_never_replaces_what_is_there(tmp_path: Path, there: str) -> None:
    path = tmp_path / "a"
    if there == "file":
        path.write_bytes(b"before")
    else:
        path.symlink_to("nothing")

    with pytest.raises(FileExistsError):
        create_durably(path, b"after", mode=0o600)

    assert list(tmp_path.iterdir()) == [path]
    assert path.is_symlink() or path.read_bytes() == b"before"


@pytest.mark.parametrize("there", [True, False])
def test_a_file_system_without_hard_links_takes_new_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a"
    if there:
        path.write_bytes(b"before")

    with pytest.raises(FileExistsError) if there else nullcontext():
        create_durably(path, b"after", mode=0o600)

    assert path.read_bytes() == (b"before" if there else b"after")
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()

    with pytest.raises(IsADirectoryError):
        replace_durably(path, b"after")

    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_way_of_its_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(NotADirectoryError, match="a"):
        create_durably(tmp_path / "a" / "b", b"", mode=0o600)


def test_removing_an_absent_file_is_fine(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    remove_durably(tmp_path / "a")
    remove_durably(tmp_path / "a")

    assert list(tmp_path.iterdir()) == []
