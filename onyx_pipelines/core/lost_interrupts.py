"""Interrupts that Python can only ignore, and those that C++ swallows, are sent again; those that
come in the instant before it waits for a lock are heard.

A signal's handler runs between any two steps of the program. Where that is the callback of a weak
reference, or a `__del__`, what it raises goes no further, and the work would go on as if nobody had
ended it (Python's documentation, `sys.unraisablehook`). Where it is a callback of C++, the text of
an error of C++ is all that is left of it: a set would be called damaged. And where the main thread
is about to wait for a lock, the signal is noted, and the wait, which nothing interrupts, begins.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Final

_AGAIN_AFTER_S: Final = 0.05
_ENDING: Final = {128 + number: number for number in (signal.SIGTERM, signal.SIGHUP)}
# Ignored by whoever has no handler for it.
_WAKING: Final = signal.SIGURG
# What pybind11 says of an exception: its name and its text. Dagster's has a name of its own.
_SWALLOWED: Final = re.compile(r"\w+: (?:\w*Interrupt(?:edError)?|SystemExit: (?P<code>\d+))\b")


@contextmanager
def heard_interrupts(*kinds: type[BaseException]) -> Iterator[None]:
    """Neither KeyboardInterrupt, nor SystemExit for a signal, nor `kinds` (for SIGINT) are lost."""
    before = sys.unraisablehook
    is_over = threading.Event()

    def lost(ignored: sys.UnraisableHookArgs) -> None:
        number = _signal_of(ignored.exc_value, kinds)
        if number is None:
            before(ignored)
        else:
            threading.Thread(target=send_again, args=(number,), daemon=True).start()

    def send_again(number: int) -> None:
        # Not while the hook still runs: what is raised in there is ignored as well.
        while not is_over.wait(_AGAIN_AFTER_S):
            if not _is_in(lost.__code__):
                os.kill(os.getpid(), number)
                return

    sys.unraisablehook = lost
    try:
        with _woken_main_thread():
            yield
    finally:
        sys.unraisablehook = before
        is_over.set()


def _is_in(code: CodeType) -> bool:
    """Whether the main thread is, however deep."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


@contextmanager
def _woken_main_thread() -> Iterator[None]:
    """Each signal is followed by one that does nothing but interrupt the main thread's wait, until
    that has heard both."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    main_thread = threading.get_ident()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    heard: list[int] = []
    is_over = threading.Event()

    def wake() -> None:
        while number := os.read(reading, 1):
            if number[0] == _WAKING:
                continue
            heard.clear()
            while not heard and not is_over.is_set():
                time.sleep(_AGAIN_AFTER_S)
                signal.pthread_kill(main_thread, _WAKING)
        os.close(reading)

    handler = signal.signal(_WAKING, lambda number, _: heard.append(number))
    descriptor = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=wake, name="wakes the main thread", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        signal.set_wakeup_fd(descriptor)
        os.close(writing)
        signal.signal(_WAKING, signal.SIG_IGN if handler is None else handler)


def raise_swallowed(told: str) -> None:
    """Raise the interrupt that an error of C++ tells of, if it does.

    Raises:
        BaseException: whatever the signal's handler raises.
    """
    if found := _SWALLOWED.match(told):
        number = _ENDING.get(int(found["code"])) if found["code"] else signal.SIGINT
        if number is not None:
            signal.raise_signal(number)


def interrupt_behind(error: BaseException | None) -> BaseException | None:
    """The interrupt that `error` is, or in whose handling it came: one in the midst of Python's own
    `Condition.wait` ends as a RuntimeError of a lock that is not held."""
    while error is not None and isinstance(error, Exception | GeneratorExit):
        error = error.__context__
    return error


def _signal_of(error: BaseException | None, kinds: tuple[type[BaseException], ...]) -> int | None:
    if isinstance(error, (KeyboardInterrupt, *kinds)):
        return signal.SIGINT
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return _ENDING.get(error.code)
    return None
