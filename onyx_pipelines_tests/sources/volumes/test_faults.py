"""What changes, vanishes or cannot be read is recorded, and the archive stays valid."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.sources.volumes.facts import EntryStatus
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.sources.volumes.trees import (
    Archived,
    archive,
    end_of_facts,
    extract_with_gnu_tar,
)

_LARGE = 3 << 20


def _during_the_read(action: Callable[[], object]) -> RecordingSink:
    """The action happens once, when the archive's first block is written: `a` is half read."""
    actions = [action]
    return RecordingSink(lambda path: actions and path.endswith(".tar") and actions.pop()())


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """`a` is larger than what is read at a time; `b` and `c` come after it."""
    root = tmp_path / "volume"
    root.mkdir()
    (root / "a").write_bytes(b"A" * _LARGE)
    (root / "b").write_bytes(b"B")
    (root / "c").write_bytes(b"C")
    return root


def _restored(archived: Archived, tmp_path: Path) -> Path:
    return extract_with_gnu_tar(archived.tar, tmp_path / "restored")


def test_a_file_that_shrinks_is_filled_with_zeros_and_recorded(
    volume: Path, tmp_path: Path
) -> None:
    archived = archive(volume, sink=_during_the_read(lambda: os.truncate(volume / "a", 2 << 20)))

    content = (_restored(archived, tmp_path) / "a").read_bytes()
    assert content == b"A" * (2 << 20) + bytes(1 << 20)
    assert archived.entries[b"a"].status is EntryStatus.CHANGED
    assert archived.entries[b"a"].sha256 == hashlib.sha256(content).hexdigest()
    assert archived.entries[b"b"].status is EntryStatus.OK


def test_a_file_that_grows_is_cut_at_its_first_size_and_recorded(
    volume: Path, tmp_path: Path
) -> None:
    def grow() -> None:
        with (volume / "a").open("ab") as file:
            file.write(b"more")

    archived = archive(volume, sink=_during_the_read(grow))

    assert (_restored(archived, tmp_path) / "a").read_bytes() == b"A" * _LARGE
    assert archived.entries[b"a"].status is EntryStatus.CHANGED


def test_a_file_rewritten_in_place_is_recorded(volume: Path) -> None:
    def rewrite() -> None:
        with (volume / "a").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"Z")

    archived = archive(volume, sink=_during_the_read(rewrite))

    assert archived.entries[b"a"].status is EntryStatus.CHANGED


def test_a_further_name_of_a_file_that_was_written_meanwhile_is_recorded(volume: Path) -> None:
    first = volume / "0"
    first.touch()
    os.link(first, volume / "z")

    archived = archive(volume, sink=_during_the_read(lambda: first.write_bytes(b"later")))

    assert archived.entries[b"0"].status is EntryStatus.OK
    assert archived.entries[b"z"].hard_link_to is None
    assert archived.entries[b"z"].status is EntryStatus.CHANGED


def test_a_sparse_file_that_shrinks_keeps_the_archive_valid(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    with (volume / "a").open("wb") as file:
        file.write(b"A" * (2 << 20))
        file.seek(32 << 20)
        file.write(b"Z" * (2 << 20))

    archived = archive(volume, sink=_during_the_read(lambda: os.truncate(volume / "a", 33 << 20)))

    content = (_restored(archived, tmp_path) / "a").read_bytes()
    assert content == b"A" * (2 << 20) + bytes(30 << 20) + b"Z" * (1 << 20) + bytes(1 << 20)
    assert archived.entries[b"a"].sha256 == hashlib.sha256(content).hexdigest()
    assert archived.entries[b"a"].status is EntryStatus.CHANGED


def test_a_file_that_vanishes_is_recorded(volume: Path, tmp_path: Path) -> None:
    archived = archive(volume, sink=_during_the_read((volume / "b").unlink))

    assert archived.entries[b"b"].status is EntryStatus.VANISHED
    assert archived.entries[b"b"].archived is False
    assert sorted(path.name for path in _restored(archived, tmp_path).iterdir()) == ["a", "c"]


def test_a_file_replaced_by_a_link_or_a_fifo_is_neither_followed_nor_waited_for(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.stat

    def replace_after_the_look(path: object, **options: object) -> os.stat_result:
        seen = look(path, **options)  # type: ignore[call-overload]  # keywords that a test names
        if path == b"b":
            (volume / "b").unlink()
            (volume / "b").symlink_to("a")
        elif path == b"c":
            (volume / "c").unlink()
            os.mkfifo(volume / "c")
        return seen

    monkeypatch.setattr("onyx_pipelines.sources.volumes.volumes_source._MEASURED_ENTRIES", 0)
    monkeypatch.setattr(os, "stat", replace_after_the_look)

    archived = archive(volume)

    assert archived.entries[b"b"].status is EntryStatus.VANISHED
    assert archived.entries[b"c"].status is EntryStatus.VANISHED


def test_a_directory_that_vanishes_is_recorded(volume: Path) -> None:
    (volume / "b").unlink()
    (volume / "b").mkdir()
    (volume / "b" / "inside").touch()

    archived = archive(volume, sink=_during_the_read(lambda: shutil.rmtree(volume / "b")))

    assert archived.entries[b"b"].status is EntryStatus.VANISHED
    assert b"b/inside" not in archived.entries


def test_a_read_error_in_mid_file_is_filled_with_zeros_and_recorded(
    volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.preadv

    def fail_past_two_mebibytes(fd: int, buffers: list[memoryview], offset: int) -> int:
        if offset >= 2 << 20:
            raise OSError(errno.EIO, "Input/output error")
        return read(fd, [buffers[0][: (2 << 20) - offset]], offset)

    monkeypatch.setattr(os, "preadv", fail_past_two_mebibytes)

    archived = archive(volume)

    content = (_restored(archived, tmp_path) / "a").read_bytes()
    assert content == b"A" * (2 << 20) + bytes(1 << 20)
    assert archived.entries[b"a"].status is EntryStatus.UNREADABLE
    assert archived.entries[b"a"].error == "EIO"
    assert archived.entries[b"b"].status is EntryStatus.OK


def test_what_this_user_may_not_read_is_recorded() -> None:
    with tempfile.TemporaryDirectory() as directory:
        volume = Path(directory) / "volume"
        (volume / "closed directory").mkdir(parents=True)
        (volume / "closed directory" / "inside").touch()
        (volume / "closed file").write_bytes(b"secret")
        (volume / "open file").write_bytes(b"open")
        (volume / "closed file").chmod(0)
        (volume / "closed directory").chmod(0)
        Path(directory).chmod(0o755)

        answer = subprocess.run(
            [sys.executable, "-c", _ARCHIVE_AND_REPORT, volume],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        (volume / "closed directory").chmod(0o700)

    assert answer.splitlines() == [
        "completed_with_warnings",
        "volume v: 2 could not be read (named in its facts)",
        "closed directory unreadable True EACCES",
        "closed file unreadable False EACCES",
        "open file ok True None",
    ]


_ARCHIVE_AND_REPORT = """
import os, sys
from pathlib import Path
from onyx_pipelines_tests.sources.volumes.trees import archive
# Root may read everything, so root becomes somebody else.
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
archived = archive(Path(sys.argv[1]))
print(archived.report.status)
print(*archived.report.warnings, sep="\\n")
for path, entry in archived.entries.items():
    if path != b".":
        print(path.decode(), entry.status, entry.archived, entry.error)
"""


def test_warnings_count_by_kind_and_name_no_file(volume: Path) -> None:
    def disturb() -> None:
        (volume / "b").unlink()
        os.truncate(volume / "a", 5)

    archived = archive(volume, sink=_during_the_read(disturb))

    assert archived.report.status == "completed_with_warnings"
    assert archived.report.warnings == (
        "volume v: 1 changed while being read, 1 vanished before being read (named in its facts)",
    )
    assert archived.report.summary["changed_count"] == 1
    assert archived.report.summary["vanished_count"] == 1
    assert end_of_facts(archived.facts).vanished == 1


def test_a_volume_that_is_unmounted_or_replaced_meanwhile_fails(volume: Path) -> None:
    def replace() -> None:
        volume.rename(volume.with_name("moved"))
        volume.mkdir()

    sink = _during_the_read(replace)

    with pytest.raises(SourceError, match="removed, replaced or unmounted") as failure:
        VolumesSource({"v": volume}).back_up(sink, silent)
    assert failure.value.transient
    assert sink.objects == {}


def test_a_sink_that_fails_leaves_neither_archive_nor_facts(volume: Path) -> None:
    def fail(path: str) -> None:
        raise ConnectionError(path)

    sink = RecordingSink(fail)

    with pytest.raises(ConnectionError):
        VolumesSource({"v": volume}).back_up(sink, silent)
    assert sink.objects == {}
