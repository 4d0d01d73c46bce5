"""What cannot be put in place whole is taken back, whatever went wrong in between."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.mounts import is_mount_point, parse_mount_points
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.host.scratch import create_owned
from onyx_pipelines.restore.engine import sweep
from onyx_pipelines.restore.volumes import renaming
from onyx_pipelines.restore.volumes.swap_record import (
    Placement,
    Stage,
    SwapRecord,
)
from onyx_pipelines.restore.volumes.swapping import Swap, leftovers_at
from onyx_pipelines_tests.restore.volumes.volume_sets import bytes_of
from onyx_pipelines_tests.sources.volumes.trees import make_tree, tree_of


@pytest.fixture
def live(tmp_path: Path) -> Path:
    make_tree(tmp_path / "v", {b"a": b"old a", b"b": b"old b", b"d": {b"e": b"old e"}})
    return tmp_path / "v"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    make_tree(
        tmp_path / "staging" / "new", {b"a": b"new a", b"c": b"new c", b"d": {b"e": b"new e"}}
    )
    return tmp_path / "staging"


def _placed(staging: Path, *names: bytes) -> list[Placement]:
    return [_placement(staging, name, b"v", name) for name in names]


def _placement(staging: Path, name: bytes, *live: bytes) -> Placement:
    inode = (staging / "new" / os.fsdecode(name)).stat().st_ino
    return Placement(live=live, staged=(b"new", name), inode=inode)


@pytest.fixture(params=["exchange", "renames"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where renameat2 is, and where it is not."""
    if request.param == "renames":
        monkeypatch.setattr(renaming, "_renameat2", lambda *_: False)


@pytest.mark.usefixtures("either_way")
def test_entries_take_the_place_of_others_or_of_nothing(live: Path, staging: Path) -> None:
    Swap(staging).place(_placed(staging, b"a", b"c", b"d"))

    assert bytes_of(live) == {"a": b"new a", "b": b"old b", "c": b"new c", "d/e": b"new e"}
    assert not (staging / "swap.json").exists()


@pytest.mark.usefixtures("either_way")
def test_one_that_cannot_be_placed_takes_the_others_back(live: Path, staging: Path) -> None:
    before = tree_of(live)
    impossible = _placement(staging, b"c", b"v", b"nowhere", b"c")

    with pytest.raises(RestoreError, match="what was there is as it was"):
        Swap(staging).place([*_placed(staging, b"a", b"d"), impossible])

    after = tree_of(live)
    assert {path: node for path, node in after.items() if path != b"."} == {
        path: node for path, node in before.items() if path != b"."
    }
    assert not (staging / "swap.json").exists()


@pytest.mark.parametrize("fail_at", range(1, 7))
def test_contents_that_cannot_all_move_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    root = tmp_path / "root"
    make_tree(root, {b"a": b"old a", b"b": b"old b", b"d": {b"e": b"old e"}})
    make_tree(root / ".staging" / "new", {b"a": b"new a", b"c": b"new c", b"d": b"new d"})
    before = {path: data for path, data in bytes_of(root).items() if ".staging" not in path}
    calls: list[object] = []
    rename = renaming._renameat2

    def fail_once(*arguments: object) -> bool:
        calls.append(arguments)
        if len(calls) == fail_at:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return rename(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(renaming, "_renameat2", fail_once)

    with pytest.raises(RestoreError, match="Device or resource busy"):
        Swap(root / ".staging").place_contents()

    after = {path: data for path, data in bytes_of(root).items() if ".staging" not in path}
    assert after == before
    assert len(calls) >= fail_at


def test_what_somebody_makes_under_a_needed_name_meanwhile_goes_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    make_tree(root, {b"a": b"old"})
    make_tree(root / ".staging" / "new", {b"c": b"new"})
    write = RecordFile.write

    def interfere(self: RecordFile[SwapRecord], record: SwapRecord) -> None:
        write(self, record)
        (root / "c").write_bytes(b"too early")

    monkeypatch.setattr(RecordFile, "write", interfere)

    Swap(root / ".staging").place_contents()

    assert (root / "c").read_bytes() == b"new"
    assert b"too early" in bytes_of(root / ".staging").values()


def test_a_swap_that_cannot_be_taken_back_keeps_everything_and_says_where(
    live: Path, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    swap = Swap(staging)
    monkeypatch.setattr("onyx_pipelines.restore.volumes.swapping.exchange", broken)
    monkeypatch.setattr("onyx_pipelines.restore.volumes.swapping._take_back", broken)

    with pytest.raises(RestoreError, match=f"are in {staging}"):
        swap.place(_placed(staging, b"a"))
    monkeypatch.undo()

    assert swap.finish_interrupted()
    assert (live / "a").read_bytes() == b"new a"
    assert not swap.finish_interrupted()


def test_a_swap_that_was_done_is_not_done_again_over_newer_data(live: Path, staging: Path) -> None:
    placements = _placed(staging, b"a")
    Swap(staging).place(placements)
    (live / "newer").write_bytes(b"newer")
    (live / "newer").rename(live / "a")
    RecordFile(staging / "swap.json", SwapRecord).write(
        SwapRecord(stage=Stage.PLACING, placements=tuple(placements))
    )

    Swap(staging).finish_interrupted()

    assert (live / "a").read_bytes() == b"newer"


def test_a_record_that_cannot_be_read_stops_and_nothing_is_removed(tmp_path: Path) -> None:
    owned = create_owned(tmp_path, prefix=".onyx-restore-")
    (owned.path / "swap.json").write_bytes(b"{")
    owned.release()

    for _ in ("at first", "and again, in the same process"):
        with pytest.raises(RestoreError, match="cannot be understood"):
            sweep(leftovers_at([tmp_path / "v"]))

    assert (owned.path / "swap.json").exists()


def test_a_record_that_leads_elsewhere_is_refused(live: Path, staging: Path) -> None:
    record = SwapRecord(stage=Stage.PLACING, placements=(_placement(staging, b"a", b"..", b"x"),))
    RecordFile(staging / "swap.json", SwapRecord).write(record)

    with pytest.raises(RestoreError, match="leads elsewhere"):
        Swap(staging).finish_interrupted()


def test_mount_points_are_known_by_their_unescaped_names() -> None:
    lines = [
        rb"36 35 98:0 /mnt1 /mnt/with\040blank rw,noatime master:1 - ext3 /dev/root rw",
        b"",
    ]

    assert parse_mount_points(lines) == [b"/mnt/with blank"]


def test_a_mount_point_is_told_from_a_directory(tmp_path: Path) -> None:
    assert is_mount_point(Path("/proc"))
    assert not is_mount_point(tmp_path)
    assert not is_mount_point(tmp_path / "absent")


def test_the_data_is_on_disk_before_the_record_and_that_before_the_first_rename(
    live: Path, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    module = "onyx_pipelines.restore.volumes.swapping"
    write, exchange = RecordFile.write, renaming.exchange
    monkeypatch.setattr(f"{module}.sync_file_system", lambda _: order.append("sync"))
    monkeypatch.setattr(RecordFile, "write", lambda *given: order.append("record") or write(*given))
    monkeypatch.setattr(
        f"{module}.exchange", lambda *given: order.append("rename") or exchange(*given)
    )

    Swap(staging).place(_placed(staging, b"a"))

    assert order == ["sync", "record", "rename"]


def test_a_rename_never_replaces_what_is_there(live: Path, staging: Path) -> None:
    live_fd, new_fd = os.open(live, os.O_RDONLY), os.open(staging / "new", os.O_RDONLY)

    with pytest.raises(FileExistsError):
        renaming.rename_to_new(b"a", new_fd, b"a", live_fd)

    os.close(live_fd)
    os.close(new_fd)
    assert (live / "a").read_bytes() == b"old a"


def test_a_whole_file_system_is_synced_or_the_error_told(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    renaming.sync_file_system(fd)
    os.close(fd)

    with pytest.raises(OSError, match="Bad file descriptor"):
        renaming.sync_file_system(fd)
