"""A pool of threads whose block can be left at once: what is interrupted does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


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
