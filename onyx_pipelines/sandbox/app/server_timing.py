"""How long a request spent where, as a Server-Timing value (W3C Server Timing)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ServerTiming:
    """Milliseconds by name in the order of the first call; calls of one name add up.

    `total` runs from its making. `<hop>` is what the caller measures around a call, `<hop>_srv`
    what the callee says, `<hop>_wait` the wait for a connection before the call.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._spent: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._begun

    def add(self, name: str, milliseconds: float) -> None:
        self._spent[name] = self._spent.get(name, 0.0) + milliseconds

    def spent_ms(self, name: str) -> float:
        return self._spent.get(name, 0.0)

    @asynccontextmanager
    async def measured(self, name: str) -> AsyncIterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, 1000 * (time.perf_counter() - begun))

    def value(self) -> str:
        entries = {"total": 1000 * self.elapsed_s, **self._spent}
        return ", ".join(f"{name};dur={spent:.3f}" for name, spent in entries.items())
