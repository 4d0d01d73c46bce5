"""Signals that end a process must not end it between a container's stop and its start.

Outside of a protected stretch they do what they did before, with SIGTERM and SIGHUP as exceptions
so that `finally` runs; inside, they wait for its end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], Any]


class Interruption:
    """Use as `with interruption.handled():`, and `with interruption.deferred():` inside.

    Python delivers signals to the main thread only; in another one this does nothing, and the
    journal is what brings the containers back.
    """

    def __init__(self) -> None:
        self._deferring = 0
        self._pending: int | None = None
        self._previous: dict[int, _Handler | int | None] = {}

    @contextmanager
    def handled(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in _SIGNALS:
            previous = signal.getsignal(number)
            if previous is not signal.SIG_IGN and previous is not None:
                self._previous[number] = previous
                signal.signal(number, self._receive)
        try:
            yield
        finally:
            for handled, handler in self._previous.items():
                signal.signal(handled, handler)
            self._previous = {}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1
            if not self._deferring and self._pending is not None:
                number, self._pending = self._pending, None
                self._deliver(number, None)

    @property
    def is_pending(self) -> bool:
        """A signal waits for the end of a deferred stretch."""
        return self._pending is not None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._deferring:
            self._pending = number
        else:
            self._deliver(number, frame)

    def _deliver(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous.get(number)
        if callable(previous):
            previous(number, frame)
        else:
            # What a shell reports for a process that the signal ended.
            raise SystemExit(128 + number)
