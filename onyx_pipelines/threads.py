"""Work beside one's own: a pool whose block can be left at once, a thread that is a little behind,
and one that is a little ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def thread_pool(size: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Waits for its threads where the block ends well. Where it does not, what is queued is
    dropped, and what is under way (a request to a server that hangs) ends by itself."""
    pool = ThreadPoolExecutor(size, thread_name_prefix=name)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


class Behind:
    """One thread that makes calls in their order; whoever asks for them waits only if it is more
    than `at_most` of them behind."""

    def __init__(self, at_most: int, name: str) -> None:
        self._at_most = at_most
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: deque[Future[None]] = deque()

    def do(self, call: Callable[[T], None], argument: T) -> None:
        """Raises what a call before raised."""
        while len(self._pending) >= self._at_most:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(call, argument))

    def settle(self) -> None:
        """Until nothing is left to do. Raises what a call raised."""
        while self._pending:
            self._pending.popleft().result()

    def end(self) -> None:
        """Drop what was not begun; the thread is gone when this returns."""
        self._pool.shutdown(cancel_futures=True)


def ahead(pieces: Iterator[T], count: int, name: str) -> Generator[T, None, None]:
    """The same pieces, made by a thread that is up to `count` of them ahead. Whoever stops early
    does not wait for the one under way."""
    end = object()
    with thread_pool(1, name) as pool:
        pending = deque(pool.submit(next, pieces, end) for _ in range(count))
        while (piece := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, pieces, end))
            yield piece  # type: ignore[misc]
