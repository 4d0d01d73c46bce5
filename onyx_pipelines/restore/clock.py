"""Times the steps of a drill or a restore, from one start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from onyx_pipelines.restore.results import Step, StepTiming


class StepClock:
    """Collects timings in the order in which the steps end, also of a step that failed."""

    def __init__(self, *, started: float | None = None) -> None:
        self._started = time.monotonic() if started is None else started
        self._timings: list[StepTiming] = []

    @contextmanager
    def step(self, step: Step, item: str, *, plain_bytes: int = 0) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self._timings.append(
                StepTiming(
                    step=step,
                    item=item,
                    offset_s=round(max(0.0, begun - self._started), 3),
                    duration_s=round(time.monotonic() - begun, 3),
                    plain_bytes=plain_bytes,
                )
            )

    def timings(self) -> tuple[StepTiming, ...]:
        return tuple(self._timings)
