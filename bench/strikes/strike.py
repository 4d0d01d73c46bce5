"""What a strike is, and how one is made milder or harder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from onyx_pipelines.sandbox.monitoring.visitors import visiting
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox

# Leaves in the stack what makes it good.
Strike = Callable[[WatchedSandbox, ExitStack], None]

_MANY: Final = 8


def together(*strikes: Strike) -> Strike:
    """One after the other; made good in the opposite order."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        for each in strikes:
            each(watched, after)

    return strike


def at_rush_hour(struck: Strike) -> Strike:
    """With three times as many people as otherwise, who wait less."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        applications = (watched.sandbox.app, watched.sandbox.monitoring.suna)
        after.enter_context(visiting(applications, people=_MANY, pause_s=0.5))
        struck(watched, after)

    return strike


def now_and_then(struck: Strike, *, on_s: float, off_s: float) -> Strike:
    """Struck and made good in turns."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        def once() -> None:
            with ExitStack() as good:
                struck(watched, good)
                ended.wait(on_s)

        ended = after.enter_context(_repeated(once, off_s))

    return strike


@contextmanager
def _repeated(once: Callable[[], None], pause_s: float) -> Iterator[threading.Event]:
    """`once` in a thread, again and again; a thread that ends early is no reason to go on."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            once()
            ended.wait(pause_s)

    thread = threading.Thread(target=work, name="now and then", daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        ended.set()
        thread.join()
