"""Waiting for what must come true. How long it takes says what else the machine does, so the limit
is only there to end a test that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 120.0


def wait_until(holds: Callable[[], object], what: str, *, within_s: float = PATIENCE_S) -> None:
    """`holds` is asked again and again; `what` is for the failure's message."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
