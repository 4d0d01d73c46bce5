"""A signal ends the work also if it comes where Python ignores what is raised."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import dagster as dg
import pytest

from onyx_pipelines.core.lost_interrupts import heard_interrupts
from onyx_pipelines.core.threads import patience_after
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.terminal.ending import ended, unwinding_signals
from onyx_pipelines_tests.default_signals import as_python_begins
from onyx_pipelines_tests.waiting import PATIENCE_S

__all__ = ["as_python_begins"]


class Thing: ...


def interrupted_in_a_callback(number: int) -> None:
    """The signal comes while the callback of a weak reference runs, and work goes on after it."""

    def callback(_: object) -> None:
        signal.raise_signal(number)

    thing = Thing()
    kept = weakref.ref(thing, callback)
    del thing
    time.sleep(10)
    assert kept() is None


def interrupted_in_del(number: int) -> None:
    class Ending:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Ending()
    time.sleep(10)


PLACES = (interrupted_in_a_callback, interrupted_in_del)


@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c(place: Callable[[int], None]) -> None:
    with pytest.raises(KeyboardInterrupt), heard_interrupts():
        place(signal.SIGINT)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_command(place: Callable[[int], None], number: int) -> None:
    with pytest.raises(SystemExit) as caught, unwinding_signals():
        place(number)

    assert caught.value.code == 128 + number


@contextmanager
def threads_that_take_long_to_begin() -> Iterator[None]:
    """As on a busy machine."""

    def slow(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is threading.Thread.start.__code__:
            time.sleep(0.3)

    sys.setprofile(slow)
    try:
        yield
    finally:
        sys.setprofile(None)


def test_one_that_comes_again_while_the_first_is_still_being_noted() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        heard_interrupts(),
        threads_that_take_long_to_begin(),
    ):
        interrupted_in_del(signal.SIGINT)


def test_one_that_comes_in_the_instant_before_a_wait_for_a_lock() -> None:
    """As here, where another thread gets it: Python notes it, and the wait is not interrupted."""
    lock = threading.Lock()
    lock.acquire()
    far_too_late = threading.Timer(PATIENCE_S, lock.release)
    far_too_late.start()

    def get_it() -> None:
        time.sleep(0.1)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    with heard_interrupts():
        threading.Thread(target=get_it).start()
        with pytest.raises(KeyboardInterrupt):
            lock.acquire()

    assert far_too_late.is_alive()
    far_too_late.cancel()


@pytest.mark.parametrize("place", PLACES)
def test_the_end_of_a_run_of_dagster(place: Callable[[int], None]) -> None:
    @dg.op
    def work() -> None:
        with dagster_failures():
            place(signal.SIGINT)

    @dg.job
    def job() -> None:
        work()

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        job.execute_in_process()


def test_the_end_of_a_run_of_dagster_that_was_lost_before_the_step_was_ours() -> None:
    done: list[str] = []

    @dg.op
    def work() -> None:
        context = dg.OpExecutionContext.get()
        # What Dagster does before it sends the signal.
        context.instance.report_run_canceling(context.run)
        with dagster_failures():
            done.append("all of it")

    @dg.job
    def job() -> None:
        work()

    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(dg.DagsterExecutionInterruptedError),
    ):
        job.execute_in_process(instance=instance)

    assert done == []


def in_the_handling_of(interrupt: BaseException) -> None:
    """As `Condition.wait` does, whose lock is not held where a signal comes between two of its
    steps."""
    try:
        raise interrupt
    finally:
        threading.Lock().release()


@pytest.mark.parametrize(
    ("interrupt", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)]
)
def test_what_a_lock_makes_of_an_interrupt_of_a_command_is_one(
    interrupt: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(lambda: in_the_handling_of(interrupt), []) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_a_lock_makes_of_an_interrupt_of_dagster_is_one() -> None:
    with pytest.raises(dg.DagsterExecutionInterruptedError), dagster_failures():
        in_the_handling_of(dg.DagsterExecutionInterruptedError())


def test_who_is_interrupted_in_a_lock_waits_for_no_store_that_hangs() -> None:
    with pytest.raises(RuntimeError) as caught:
        in_the_handling_of(KeyboardInterrupt())

    assert patience_after(caught.value) is not None
    assert patience_after(RuntimeError()) is None


def test_what_else_is_ignored_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: told.append(ignored.exc_value))

    class Failing:
        def __del__(self) -> None:
            raise ValueError("in vain")

    with heard_interrupts():
        Failing()

    assert [str(each) for each in told] == ["in vain"]


def test_work_that_is_over_is_not_ended_afterwards() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with heard_interrupts():
            sys.unraisablehook(_Ignored(KeyboardInterrupt()))
        time.sleep(0.2)
    finally:
        signal.signal(signal.SIGINT, before)

    assert came == []


class _Ignored:
    """As Python hands it to the hook."""

    def __init__(self, error: BaseException) -> None:
        self.exc_type, self.exc_value, self.exc_traceback = type(error), error, None
        self.err_msg, self.object = None, os.getpid()
