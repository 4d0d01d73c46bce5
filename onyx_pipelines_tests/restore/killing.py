"""Kills (SIGKILL) a child of this process at the n-th of its steps. For programs of one thread."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from onyx_pipelines.restore.results import Step, StepClock


def dies_at(step: int, action: Callable[[], None], *also: tuple[Any, str]) -> bool:
    """Run `action` in a child, which dies at that step. False: it came to its end before.

    Steps are the beginnings and ends of what the clock measures, and every call of the functions
    named in `also` (an object and the name of its attribute) while data is put in place.
    """
    child = os.fork()
    if child == 0:
        _die_at(step, also)
        action()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the restore failed"
    return os.WIFSIGNALED(status)


def completes(action: Callable[[], None]) -> None:
    """Run it in a child of its own, too: connections do not outlive a fork."""
    assert not dies_at(0, action)


def _die_at(step: int, also: tuple[tuple[Any, str], ...]) -> None:
    seen = 0
    is_putting_in_place = False

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    measured = StepClock.step

    @contextmanager
    def counted_step(
        clock: StepClock, name: Step, item: str, *, plain_bytes: int = 0
    ) -> Iterator[None]:
        nonlocal is_putting_in_place
        count()
        is_putting_in_place = "put in place" in item
        with measured(clock, name, item, plain_bytes=plain_bytes):
            yield
        is_putting_in_place = False
        count()

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            if is_putting_in_place:
                count()
            return function(*arguments, **options)

        return call

    StepClock.step = counted_step  # type: ignore[method-assign,assignment]  # replaced to count
    for owner, name in also:
        setattr(owner, name, counted(getattr(owner, name)))
