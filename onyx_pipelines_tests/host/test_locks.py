"""A lock is held by one process, or shared, and ends with whoever holds it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from onyx_pipelines.host.locks import HeldLock, lock, take_lock
from onyx_pipelines_tests.children import child

_HOLD = """
import sys
from pathlib import Path
from onyx_pipelines.host.locks import take_lock
lock = take_lock(Path(sys.argv[1]))
print(lock is not None, flush=True)
sys.stdin.read()
"""


def taken(path: Path, **options: bool) -> HeldLock:
    lock = take_lock(path, **options)
    assert lock is not None
    return lock


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    with lock(tmp_path / "a") as first, lock(tmp_path / "a") as second:
        assert (first, second) == (True, False)

    with lock(tmp_path / "a") as third:
        assert third


def test_those_who_share_it_keep_out_only_who_wants_it_alone(tmp_path: Path) -> None:
    first, second = taken(tmp_path / "a", shared=True), taken(tmp_path / "a", shared=True)

    assert take_lock(tmp_path / "a") is None

    first.release()
    second.release()
    taken(tmp_path / "a").release()


def test_the_patient_get_it_when_it_becomes_free(tmp_path: Path) -> None:
    held = taken(tmp_path / "a")
    threading.Timer(0.1, held.release).start()

    with lock(tmp_path / "a", patience_s=60) as ours:
        assert ours


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    with child(_HOLD, tmp_path / "a") as holder:
        assert holder.line() == "True"
        while_it_lives = take_lock(tmp_path / "a")
        holder.kill()
        taken(tmp_path / "a").release()

    assert while_it_lives is None


def test_a_forked_child_neither_keeps_nor_frees_it(tmp_path: Path) -> None:
    held = taken(tmp_path / "a")
    leave, left = os.pipe()
    child = os.fork()
    if child == 0:
        held.release()
        os.close(left)
        os.read(leave, 1)
        os._exit(0)
    os.close(leave)

    try:
        with lock(tmp_path / "a") as second:
            assert not second
        held.release()
        with lock(tmp_path / "a") as third:
            assert third
    finally:
        os.close(left)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    "begets",
    [
        "import os; os.fork() or (sys.stdin.read(), os._exit(0))",
        "import subprocess; subprocess.Popen('cat')",
    ],
    ids=["forked", "program"],
)
def test_who_died_does_not_leave_it_with_a_child(tmp_path: Path, begets: str) -> None:
    with child(_HOLD.replace("print", f"{begets}; print"), tmp_path / "a") as holder:
        assert holder.line() == "True"
        holder.kill()

        with lock(tmp_path / "a", patience_s=5) as ours:
            assert ours


def test_a_lock_whose_file_was_replaced_says_so(tmp_path: Path) -> None:
    held = taken(tmp_path / "a")
    before = held.is_at(tmp_path / "a")
    (tmp_path / "a").unlink()
    gone = held.is_at(tmp_path / "a")
    (tmp_path / "a").touch()
    replaced = held.is_at(tmp_path / "a")
    held.release()

    assert (before, gone, replaced) == (True, False, False)


def test_a_link_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")

    with pytest.raises(OSError, match="a"):
        take_lock(tmp_path / "a")

    assert not (tmp_path / "b").exists()
