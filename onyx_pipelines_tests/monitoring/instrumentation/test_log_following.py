"""Lines of a log are had once each: whatever rotates it, cuts it short, or ends us."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.monitoring.instrumentation import log_following
from onyx_pipelines.monitoring.instrumentation.log_following import LONGEST_LINE, Place, batches
from onyx_pipelines_tests.examples import random_examples


class Reader:
    """Reads on from where it was."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.place: Place | None = None
        self.gaps = 0
        self.overlong = 0
        self.lines: list[bytes] = []

    def read(self) -> list[bytes]:
        new: list[bytes] = []
        for batch in batches(self.log, self.place):
            new += batch.lines
            self.gaps += batch.gap
            self.overlong += batch.overlong
            self.place = batch.place
        self.lines += new
        return new


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def write(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_a_log_that_is_not_there_yet_has_no_lines(log: Path) -> None:
    reader = Reader(log)

    assert reader.read() == []
    write(log, "first")
    assert reader.read() == [b"first"]
    assert reader.gaps == 0


def test_each_line_comes_once(log: Path) -> None:
    reader = Reader(log)
    write(log, "a", "b")
    assert reader.read() == [b"a", b"b"]

    write(log, "c")

    assert reader.read() == [b"c"]
    assert reader.read() == []


def test_a_line_without_an_end_is_left_until_it_has_one(log: Path) -> None:
    reader = Reader(log)
    log.write_bytes(b"whole\nhal")
    assert reader.read() == [b"whole"]

    write(log, "f")

    assert reader.read() == [b"half"]


def test_a_rotated_log_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    reader = Reader(log)
    write(log, "a")
    reader.read()

    write(log, "b")
    log.rename(log.with_name("app.log.1"))
    write(log, "c")

    assert reader.read() == [b"b", b"c"]
    assert reader.gaps == 0


def test_a_log_that_is_renamed_just_then_is_not_mistaken_for_one_that_begins_alike(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the opening; all lines are the same, as a service's first may be."""
    reader = Reader(log)
    write(log, *["same"] * 200)
    reader.read()
    log.rename(log.with_name("app.log.1"))
    write(log, *["same"] * 100)
    reader.read()
    listed = log_following._files

    def renamed_just_then(of: Path) -> list[Path]:
        found = listed(of)
        monkeypatch.setattr(log_following, "_files", listed)
        log.rename(log.with_name("app.log.2"))
        write(log, "new")
        return found

    monkeypatch.setattr(log_following, "_files", renamed_just_then)

    assert reader.read() == [b"new"]
    assert reader.gaps == 0


def test_rotations_while_nobody_read_lose_nothing(log: Path) -> None:
    reader = Reader(log)
    write(log, "a")
    reader.read()

    for number, line in enumerate("bcd"):
        write(log, line)
        log.rename(log.with_name(f"app.log-2026112{number}"))
        os.utime(log.with_name(f"app.log-2026112{number}"), (number, number))
    write(log, "e")

    assert reader.read() == [b"b", b"c", b"d", b"e"]


def test_a_log_that_was_copied_and_truncated_is_read_on_from_the_copy(log: Path) -> None:
    reader = Reader(log)
    write(log, "2026-11-27 a")
    reader.read()

    write(log, "2026-11-27 b")
    shutil.copy(log, log.with_name("app.log.1"))
    os.truncate(log, 0)
    write(log, "2026-11-28 c")

    assert reader.read() == [b"2026-11-27 b", b"2026-11-28 c"]
    assert reader.gaps == 0


def test_a_truncated_log_that_has_grown_beyond_the_place_is_seen_as_another(log: Path) -> None:
    reader = Reader(log)
    write(log, "a")
    reader.read()

    os.truncate(log, 0)
    write(log, "b", "c", "d")

    assert reader.read() == [b"b", b"c", b"d"]
    assert reader.gaps == 1


def test_an_inode_that_was_given_to_another_file_is_not_taken_for_the_old_one(log: Path) -> None:
    reader = Reader(log)
    write(log, "the old one")
    reader.read()
    assert reader.place

    log.write_text("another one of the same inode, and longer\n")

    assert reader.place.inode == log.stat().st_ino
    assert reader.read() == [b"another one of the same inode, and longer"]


def test_a_log_that_was_removed_unread_is_a_gap(log: Path) -> None:
    reader = Reader(log)
    write(log, "a")
    reader.read()

    write(log, "lost")
    with gzip.open(log.with_name("app.log.1.gz"), "wb") as packed:
        packed.write(log.read_bytes())
    log.unlink()
    write(log, "b")

    assert reader.read() == [b"b"]
    assert reader.gaps == 1


@pytest.mark.parametrize("length", [LONGEST_LINE, LONGEST_LINE + 1, 4 * 1024 * 1024])
def test_a_line_without_measure_is_left_out_and_counted(log: Path, length: int) -> None:
    reader = Reader(log)

    write(log, "a", "x" * length, "b")

    overlong = length > LONGEST_LINE
    assert [len(line) for line in reader.read()] == ([1, 1] if overlong else [1, length, 1])
    assert reader.overlong == overlong


def test_a_long_log_comes_in_batches_each_with_its_place(log: Path) -> None:
    write(log, *("x" * 1000 for _ in range(5000)))

    found = list(batches(log, None))

    assert len(found) > 3
    again = [len(batch.lines) for batch in batches(log, found[1].place)]
    assert again == [len(batch.lines) for batch in found[2:]]


class Writer:
    """A service, logrotate and an operator, each doing what they do."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.written: list[bytes] = []
        self.rotations = 0

    def write(self) -> None:
        self.written.append(f"line {len(self.written)} {'x' * (len(self.written) % 50)}".encode())
        with self.log.open("ab") as file:
            file.write(self.written[-1] + b"\n")

    def rotate(self) -> None:
        if self.log.exists():
            self.log.rename(self._next())

    def copy_and_truncate(self) -> None:
        if self.log.exists():
            shutil.copy2(self.log, self._next())
            os.truncate(self.log, 0)

    def _next(self) -> Path:
        self.rotations += 1
        # Of one clock tick: as far apart as rotations are.
        os.utime(self.log, ns=(self.rotations * 10**9,) * 2)
        return self.log.with_name(f"app.log.{self.rotations:03}")


STEPS: Final = ("write", "write", "write", "rotate", "copy", "read")


@settings(max_examples=random_examples(150), deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=40))
def test_whatever_happens_between_readings_each_line_comes_once_in_order(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("log") / "app.log"
    writer, reader = Writer(log), Reader(log)
    does: dict[str, Callable[[], object]] = {
        "write": writer.write,
        "rotate": writer.rotate,
        "copy": writer.copy_and_truncate,
        "read": reader.read,
    }
    # Before the first reading only the log itself counts.
    for step in ("write", "read", *steps, "read"):
        does[step]()

    assert reader.lines == writer.written
    assert reader.gaps == 0
