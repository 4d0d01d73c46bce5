"""The exclusive lock between real processes: who gets it, who is named, and who dies with it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import AlreadyRunningError, SettingsError
from onyx_pipelines.vault.lock import (
    ExclusiveLock,
    current_holder,
    set_in_use,
    set_to_delete,
)
from onyx_pipelines_tests.children import child

SET = "0f00aaaa-0000-4000-8000-000000000001"
HOLD = (
    "import sys; from pathlib import Path; from onyx_pipelines.vault.lock import *\n"
    "with ExclusiveLock(Path(sys.argv[1]), 'backup', holder='some-id'):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)
USE = (
    "import sys; from pathlib import Path; from onyx_pipelines.vault.lock import *\n"
    "with set_in_use(Path(sys.argv[1]), sys.argv[2]):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)
COUNT = (
    "import sys; from pathlib import Path; from onyx_pipelines.vault.lock import *\n"
    "from onyx_pipelines.core.errors import AlreadyRunningError\n"
    "sys.stdin.readline()\n"
    "try:\n"
    "    with ExclusiveLock(Path(sys.argv[1]), 'backup'):\n"
    "        print('won', flush=True); sys.stdin.read()\n"
    "except AlreadyRunningError:\n"
    "    print('refused', flush=True)\n"
)


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "held"
        with pytest.raises(AlreadyRunningError) as caught, ExclusiveLock(tmp_path, "load test"):
            pass

    assert f"A backup already runs on this host: process {holder.pid}, set some-id, since 2" in (
        caught.value.what
    )
    assert not caught.value.transient


def test_of_two_at_once_exactly_one_wins(tmp_path: Path) -> None:
    with child(COUNT, tmp_path) as first, child(COUNT, tmp_path) as second:
        for each in (first, second):
            each.tell("go")
        outcomes = sorted(each.line() for each in (first, second))

    assert outcomes == ["refused", "won"]


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "held"
        holder.kill()

        with ExclusiveLock(tmp_path, "backup"):
            named = current_holder(tmp_path)

    assert named is not None
    assert named.pid == os.getpid()


def test_a_forked_child_neither_keeps_nor_frees_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    has_begun, may_end = context.Event(), context.Event()

    def live() -> None:
        has_begun.set()
        may_end.wait()

    with ExclusiveLock(tmp_path, "backup"):
        forked = context.Process(target=live)
        forked.start()
        has_begun.wait()
        while_both_live = current_holder(tmp_path)
    after = current_holder(tmp_path)
    may_end.set()
    forked.join()

    assert while_both_live is not None
    assert while_both_live.pid == os.getpid()
    assert after is None


def test_another_thread_is_refused(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            with ExclusiveLock(tmp_path, "backup"):
                outcomes.append("won")
        except AlreadyRunningError as error:
            outcomes.append(error.what)

    with ExclusiveLock(tmp_path, "load test"):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    assert len(outcomes) == 1
    assert outcomes[0].startswith("A load test already runs")


def test_it_is_free_again_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    lock = ExclusiveLock(tmp_path, "backup", holder=SET)

    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 // 0

    assert current_holder(tmp_path) is None
    with lock:
        pass


def test_the_holder_can_be_looked_up(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with ExclusiveLock(tmp_path, "backup", holder=SET):
        holder = current_holder(tmp_path)

    assert holder is not None
    assert (holder.pid, holder.purpose, holder.backup_id) == (os.getpid(), "backup", SET)
    assert timedelta(0) <= holder.since - before < timedelta(seconds=5)


def test_nobody_holds_what_never_was(tmp_path: Path) -> None:
    assert current_holder(tmp_path / "absent") is None


def test_looking_never_takes_it_from_somebody(tmp_path: Path) -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            current_holder(tmp_path)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for _ in range(40):
        with ExclusiveLock(tmp_path, "backup"):
            pass
    stop.set()
    for watcher in watchers:
        watcher.join()

    assert current_holder(tmp_path) is None


def test_a_state_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with (
        pytest.raises(SettingsError, match="ONYX_STATE_DIR"),
        ExclusiveLock(tmp_path / "file", "x"),
    ):
        pass


def test_a_set_in_use_by_another_process_is_not_to_be_deleted(tmp_path: Path) -> None:
    with child(USE, tmp_path, SET) as user:
        assert user.line() == "held"
        with set_to_delete(tmp_path, SET) as while_used:
            pass
        user.kill()
        with set_to_delete(tmp_path, SET) as afterwards:
            pass

    assert (while_used, afterwards) == (False, True)


def test_a_set_may_be_used_by_several(tmp_path: Path) -> None:
    with set_in_use(tmp_path, SET), set_in_use(tmp_path, SET), set_to_delete(tmp_path, SET) as free:
        assert not free


def test_whoever_wants_a_set_that_is_being_deleted_waits(tmp_path: Path) -> None:
    events: list[str] = []

    def use() -> None:
        with set_in_use(tmp_path, SET):
            events.append("used")

    thread = threading.Thread(target=use)
    with set_to_delete(tmp_path, SET):
        thread.start()
        thread.join(0.2)
        events.append("deleted")
    thread.join()

    assert events == ["deleted", "used"]


def test_the_locks_of_all_sets_are_at_most_256_files(tmp_path: Path) -> None:
    for number in range(600):
        with set_in_use(tmp_path, f"{number * 7919 % 256:02x}{number:06x}"):
            pass

    assert len(list((tmp_path / "locks").iterdir())) == 256
