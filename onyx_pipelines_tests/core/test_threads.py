"""What a thread does beside one's own work: in order, bounded, and no error gets lost."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator
from contextlib import closing, suppress

import pytest

from onyx_pipelines.core.threads import Behind, ahead, begun, side_by_side
from onyx_pipelines_tests.waiting import wait_until

WAIT_S = 60.0


class Broken(Exception):  # noqa: N818  (what it is)
    """Planted."""


def test_the_pieces_come_in_their_order() -> None:
    assert list(ahead((number for number in range(50)), 3, "test")) == list(range(50))
    assert list(ahead((number for number in ()), 3, "test")) == []


def test_no_more_pieces_are_made_than_it_may_be_ahead() -> None:
    made: list[int] = []

    def numbers() -> Generator[int, None, None]:
        for number in range(10):
            made.append(number)
            yield number

    with closing(ahead(numbers(), 3, "test")) as pieces:
        taken = [next(pieces) for _ in range(4)]

    assert taken == [0, 1, 2, 3]
    # Those in their places, and the one that waits for a place.
    assert len(made) <= 4 + 3 + 1


def test_an_error_comes_where_the_piece_would_have_come() -> None:
    def numbers() -> Generator[int, None, None]:
        yield from (1, 2)
        raise Broken

    pieces = ahead(numbers(), 3, "test")

    assert [next(pieces), next(pieces)] == [1, 2]
    with pytest.raises(Broken):
        next(pieces)


def test_who_stops_early_does_not_wait_and_the_source_is_closed_when_it_can_be() -> None:
    begun, may_go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def numbers() -> Generator[int, None, None]:
        try:
            yield 1
            begun.set()
            may_go_on.wait(WAIT_S)
            yield 2
        finally:
            closed.set()

    with closing(ahead(numbers(), 3, "test")) as pieces:
        assert next(pieces) == 1
        begun.wait(WAIT_S)

    assert not closed.is_set()
    may_go_on.set()
    assert closed.wait(WAIT_S)


def test_the_thread_is_gone_when_who_takes_fails_while_all_places_are_taken() -> None:
    closed, made = threading.Event(), threading.Semaphore(0)

    def numbers() -> Generator[int, None, None]:
        try:
            for number in range(100):
                made.release()
                yield number
        finally:
            closed.set()

    def take() -> None:
        with closing(ahead(numbers(), 2, "taken")) as pieces:
            assert next(pieces) == 0
            # Two are in their places, and a third is made: it waits for one.
            for _ in range(4):
                made.acquire(timeout=WAIT_S)
            raise Broken

    with pytest.raises(Broken):
        take()

    assert closed.wait(WAIT_S)
    wait_until(lambda: "taken" not in names_of_threads(), "the thread is gone")


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


HANGING = {
    "a thread of a library": """
        threading.Thread(target=lambda: said() or threading.Event().wait()).start()
        while not threading.Event().wait(0.1):
            pass
    """,
    "side by side": """
        def call(number):
            if number:
                said()
                threading.Event().wait()

        threads.side_by_side(call, range(3), 2, "hangs")
    """,
    "ahead": """
        def pieces():
            said()
            threading.Event().wait()
            yield 1

        with closing(threads.ahead(pieces(), 2, "hangs")) as taken:
            next(taken)
    """,
    "behind": """
        behind = threads.Behind(2, "hangs")
        try:
            behind.do(lambda _: said() or threading.Event().wait(), 1)
            behind.settle()
        except BaseException as error:
            behind.end(threads.patience_after(error) and 0.1)
            raise
    """,
}


def hanging(work: str, and_then: str = "") -> subprocess.Popen[str]:
    """A command that says when it hangs."""
    script = f"""
import signal, sys, textwrap, threading
from contextlib import closing
from onyx_pipelines.core import threads
from onyx_pipelines.terminal.ending import as_process

def said():
    print("it hangs", flush=True)
    {and_then or "pass"}

as_process(lambda: exec(textwrap.dedent({work!r}), globals()))
"""
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("work", HANGING.values(), ids=HANGING)
def test_a_signal_that_does_not_wake_the_waiting_thread_is_heard(work: str) -> None:
    """It came just before the wait; here it goes to the thread that hangs."""
    with hanging(work, "signal.pthread_kill(threading.get_ident(), signal.SIGTERM)") as process:
        try:
            process.communicate(timeout=WAIT_S)
        finally:
            process.kill()

    assert process.returncode == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("work", HANGING.values(), ids=HANGING)
def test_a_process_that_is_ended_does_not_wait_for_one_that_hangs(
    work: str, number: signal.Signals
) -> None:
    with hanging(work) as process:
        try:
            assert process.stdout
            assert process.stdout.readline()
            process.send_signal(number)
            _, errors = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()

    assert (process.returncode, len(errors.splitlines())) == (128 + number, 1), errors


def test_a_call_in_a_thread_of_its_own_gives_what_it_returns_or_raises() -> None:
    def fail() -> None:
        raise Broken

    assert begun(lambda: 5, "test").result(WAIT_S) == 5
    assert isinstance(begun(fail, "test").exception(WAIT_S), Broken)


def test_calls_side_by_side_give_what_they_return_in_the_order_of_their_items() -> None:
    second_is_over = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert second_is_over.wait(WAIT_S)
        if number == 1:
            second_is_over.set()
        return number * 2

    assert side_by_side(call, range(20), 2, "test") == list(range(0, 40, 2))
    assert side_by_side(call, [], 2, "test") == []


def test_no_more_of_them_than_was_said_are_made_at_a_time() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def call(_: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.002)
        with lock:
            now[0] -= 1

    side_by_side(call, range(30), 3, "test")

    assert most[0] <= 3


def test_what_one_of_them_raises_is_raised_although_another_hangs_and_the_rest_is_dropped() -> None:
    may_go_on, made = threading.Event(), []

    def call(number: int) -> None:
        made.append(number)
        if number == 0:
            raise Broken
        may_go_on.wait(WAIT_S)

    with pytest.raises(Broken):
        side_by_side(call, range(50), 2, "side")

    assert len(made) <= 4
    may_go_on.set()
    wait_until(lambda: "side" not in names_of_threads(), "the threads are gone")
    assert len(made) <= 4


def test_what_one_of_them_failed_with_is_freed_with_its_error() -> None:
    class Connection:
        pass

    made: list[weakref.ref[Connection]] = []

    def call(_: int) -> None:
        connection = Connection()
        made.append(weakref.ref(connection))
        raise Broken

    gc.disable()
    try:
        with suppress(Broken):
            side_by_side(call, range(1), 1, "freed")
        wait_until(lambda: "freed" not in names_of_threads(), "the thread is gone")
        assert [each() for each in made] == [None]
    finally:
        gc.enable()


def test_calls_are_made_in_their_order_and_all_of_them() -> None:
    done: list[int] = []
    behind = Behind(2, "test")

    for number in range(50):
        behind.do(done.append, number)
    behind.settle()
    behind.end()

    assert done == list(range(50))


def test_who_is_too_far_ahead_waits() -> None:
    may_go_on = threading.Event()
    behind = Behind(2, "test")
    asked: list[int] = []

    def ask() -> None:
        for number in range(3):
            behind.do(lambda _: may_go_on.wait(WAIT_S), number)
            asked.append(number)

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(0.2)

    assert asked == [0, 1]
    may_go_on.set()
    asking.join(WAIT_S)
    behind.end()
    assert asked == [0, 1, 2]


def test_what_a_call_raises_is_raised_at_the_latest_when_all_is_settled() -> None:
    def fail(_: int) -> None:
        raise Broken

    behind = Behind(2, "test")
    behind.do(fail, 1)

    with pytest.raises(Broken):
        behind.settle()
    behind.end()


def test_after_one_that_failed_no_call_is_made_and_who_asks_is_told_each_time() -> None:
    done: list[int] = []

    def fail(_: int) -> None:
        raise Broken

    behind = Behind(2, "test")
    behind.do(fail, 1)
    with pytest.raises(Broken):
        behind.settle()

    for number in range(5):
        with pytest.raises(Broken):
            behind.do(done.append, number)
    behind.end()

    assert done == []


def test_what_was_given_to_a_call_is_freed_when_the_call_is_over() -> None:
    class Large:
        pass

    large = Large()
    freed = weakref.ref(large)
    behind = Behind(2, "test")

    behind.do(lambda _: None, large)
    del large
    behind.settle()

    assert freed() is None
    behind.end()


def test_a_call_that_hangs_is_waited_for_as_long_as_was_said() -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    behind = Behind(2, "hanging")
    behind.do(lambda _: begun.set() or may_go_on.wait(WAIT_S), 1)
    begun.wait(WAIT_S)

    behind.end(0.01)

    assert "hanging" in names_of_threads()
    may_go_on.set()
    behind.end()
    assert "hanging" not in names_of_threads()


def test_settling_after_the_end_does_not_wait() -> None:
    behind = Behind(2, "test")
    behind.do(lambda _: None, 1)
    behind.end()

    behind.settle()


def test_the_thread_ends_with_its_owner() -> None:
    gc.freeze()  # to look through what is there already takes a second
    behind = Behind(2, "owned")
    behind.do(lambda _: None, 1)
    behind.settle()

    del behind
    gc.collect()

    wait_until(lambda: "owned" not in names_of_threads(), "the thread is gone")


def test_at_the_end_what_was_not_begun_is_dropped() -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def first(_: str) -> None:
        begun.set()
        may_go_on.wait(WAIT_S)

    behind = Behind(4, "test")
    behind.do(first, "first")
    behind.do(done.append, "second")
    begun.wait(WAIT_S)
    threading.Timer(0.1, may_go_on.set).start()
    behind.end()

    assert done == []
