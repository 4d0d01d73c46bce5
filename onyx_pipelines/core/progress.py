"""Progress of long work: bytes done, rate, and a share where the total is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report. `component` is postgresql, qdrant or volumes; `item` what is being read in it."""

    component: str
    item: str
    done_bytes: int
    total_bytes: int | None
    elapsed_s: float
    finished: bool = False

    @property
    def bytes_per_s(self) -> float:
        return self.done_bytes / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def share(self) -> float | None:
        """0 to 1, or None where the total is unknown. An estimated total may be passed: capped."""
        if self.finished:
            return 1.0
        if not self.total_bytes:
            return None
        return min(1.0, self.done_bytes / self.total_bytes)


ProgressCallback = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The callback of whoever does not want to know."""


class Meter:
    """Counts bytes of one item and reports at most every `interval_s` seconds."""

    def __init__(
        self,
        callback: ProgressCallback,
        *,
        component: str,
        item: str,
        total_bytes: int | None = None,
        interval_s: float = 0.2,
    ) -> None:
        self._callback = callback
        self._component = component
        self._item = item
        self._total = total_bytes
        self._interval = interval_s
        self._started = time.monotonic()
        self._reported = self._started
        self.done_bytes = 0

    def add(self, count: int) -> None:
        self.done_bytes += count
        now = time.monotonic()
        if now - self._reported >= self._interval:
            self._reported = now
            self._callback(self._report(finished=False))

    def finish(self) -> None:
        self._callback(self._report(finished=True))

    def _report(self, *, finished: bool) -> Progress:
        return Progress(
            self._component,
            self._item,
            self.done_bytes,
            self._total,
            time.monotonic() - self._started,
            finished,
        )
