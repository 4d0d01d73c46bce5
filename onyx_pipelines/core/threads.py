"""Work beside one's own: several calls at a time, a thread that is a little behind, and one that is
a little ahead. A call that hangs keeps neither its owner, nor the process, from ending."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, Queue, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, Final, TypeVar

from onyx_pipelines.core.lost_interrupts import interrupt_behind

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE_WHEN_ENDED_S: Final = 5.0
# At the end of the process a thread within C++ (Tink) must not still be at work.
_ENDS_WITHIN_S: Final = 1.0


def patience_after(error: BaseException | None) -> float | None:
    """How long to wait for what is under way. None: as long as it takes; but whoever ends a run
    (Ctrl-C, SIGTERM) does not wait for a server that hangs."""
    is_ended = interrupt_behind(error) is not None or isinstance(error, GeneratorExit)
    return _PATIENCE_WHEN_ENDED_S if is_ended else None


def begun(call: Callable[[], T], name: str) -> Future[T]:
    """A call in a thread of its own."""
    future: Future[T] = Future()
    Thread(target=_make, args=(call, future), name=name, daemon=True).start()
    return future


def _make(call: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001  (whoever asks for the result gets it)
        future.set_exception(error)
    finally:
        # The error's traceback has this frame: what failed (a connection) would wait for Python's
        # collector.
        del call, future


def side_by_side(call: Callable[[T], R], items: Iterable[T], size: int, name: str) -> list[R]:
    """What the call gives for each item, in their order; up to `size` threads make it.

    Raises what the first of them in that order raised. Whoever is told so, or is ended, waits for
    no call that is under way, and what was not begun is dropped.
    """
    waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
    answers: list[Future[R]] = []
    for item in items:
        answers.append(Future())
        waiting.put(partial(_make, partial(call, item), answers[-1]))
    is_over = Event()

    def work() -> None:
        with suppress(Empty):
            while not is_over.is_set():
                # By no name: what failed would be kept by this frame.
                waiting.get_nowait()()

    try:
        for _ in range(min(size, len(answers))):
            Thread(target=work, name=name, daemon=True).start()
        answers.reverse()
        results: list[R] = []
        while answers:
            # One that failed is kept by nobody but its error.
            results.append(answers.pop().result())
        return results
    finally:
        is_over.set()


class Behind:
    """One thread that makes calls in their order, until one fails; whoever asks for them waits only
    if it is more than `at_most` of them behind. Not for several threads at a time."""

    def __init__(self, at_most: int, name: str) -> None:
        self._name = name
        self._work = _Work(at_most)
        # Also where nobody says that it is over.
        self._over = weakref.finalize(self, self._work.is_over)
        self._over.atexit = False
        self._thread: Thread | None = None

    def do(self, call: Callable[[T], object], argument: T) -> None:
        """Raises what a call before raised."""
        if self._thread is None:
            self._thread = Thread(target=self._work.make, name=self._name, daemon=True)
            self._thread.start()
        self._work.places.acquire()
        self._work.calls.put(partial(call, argument))
        self._raise_failure()

    def settle(self) -> None:
        """Until nothing is left to do. Raises what a call raised."""
        if self._thread is not None and self._over.alive:
            self._work.wait()
        self._raise_failure()

    def end(self, patience_s: float | None = None) -> None:
        """Drop what was not begun; the thread is gone when this returns, unless what it does takes
        longer than `patience_s`."""
        self._over()
        if self._thread is not None:
            self._thread.join(patience_s)

    def _raise_failure(self) -> None:
        if self._work.failure is not None:
            raise self._work.failure


class _Work:
    """What `Behind` shares with its thread, which does not keep that alive."""

    def __init__(self, at_most: int) -> None:
        self.places = Semaphore(at_most)
        # Python's collector may call `is_over` in the midst of anything: this queue allows it.
        self.calls: SimpleQueue[Callable[[], object] | Event | None] = SimpleQueue()
        self.failure: BaseException | None = None
        self._goes_on = True

    def is_over(self) -> None:
        self._goes_on = False
        self.calls.put(None)

    def wait(self) -> None:
        """Until the calls before are made. Places are not counted: an interrupt may lose one."""
        reached = Event()
        self.calls.put(reached)
        reached.wait()

    def make(self) -> None:
        while (call := self.calls.get()) is not None:
            if isinstance(call, Event):
                call.set()
                continue
            try:
                if self._goes_on and self.failure is None:
                    call()
            except BaseException as error:  # noqa: BLE001  (whoever asks for calls gets it)
                self.failure = error
            finally:
                # Its argument may be large.
                del call
                self.places.release()


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END: Final = object()


def ahead(pieces: Generator[T, None, None], count: int, name: str) -> Generator[T, None, None]:
    """The same pieces, made and in the end closed by a thread that is up to `count` of them ahead.

    Whoever stops early waits a moment for a thread that is at work, and not for one that hangs.
    """
    ready: Queue[Any] = Queue(count)
    is_over = Event()

    def give(item: object) -> None:
        if not is_over.is_set():
            ready.put(item)

    def make() -> None:
        try:
            for piece in pieces:
                give(piece)
                if is_over.is_set():
                    break
            pieces.close()
            give(_END)
        except BaseException as error:  # noqa: BLE001  (whoever takes the pieces gets it)
            give(_Raised(error))

    maker = Thread(target=make, name=name, daemon=True)
    try:
        maker.start()
        while (piece := ready.get()) is not _END:
            if isinstance(piece, _Raised):
                raise piece.error
            yield piece
    finally:
        is_over.set()
        # It may wait for a place.
        with suppress(Empty):
            while True:
                ready.get_nowait()
        if maker.ident is not None:
            maker.join(_ENDS_WITHIN_S)
