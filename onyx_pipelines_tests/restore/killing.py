"""Kills (SIGKILL) a restore at each of its steps. For programs of one thread, since it forks."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onyx_pipelines.restore.results import Step, StepClock


def kills_of(program: str, *arguments: str | Path) -> int:
    """What a program of this package prints, which has succeeded."""
    command = [sys.executable, "-m", f"onyx_pipelines_tests.restore.{program}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


def kill_at_every_step(
    restore: Callable[[], None],
    arm: Callable[[Callable[[], None]], None],
    *,
    reset: Callable[[], None],
    killed: Callable[[], None],
    restored: Callable[[], None],
) -> None:
    """In a child that dies at its first step, then at its second, and so on, until it comes to its
    end before; after each kill once more, to its end. Prints how many kills there were.

    Args:
        arm: lets what it is given be called at each step.
        killed, restored: look at what there is after a kill, and after the next run.
    """
    reset()
    for step in itertools.count(1):
        if not _dies(restore, functools.partial(arm, _killer(step))):
            break
        killed()
        # A child too: connections do not outlive a fork.
        assert not _dies(restore, lambda: None)
        restored()
        reset()
    restored()
    print(step - 1)


def _dies(action: Callable[[], None], prepare: Callable[[], None]) -> bool:
    child = os.fork()
    if child == 0:
        prepare()
        action()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the restore failed"
    return os.WIFSIGNALED(status)


def _killer(step: int) -> Callable[[], None]:
    seen = itertools.count(1)

    def count() -> None:
        if next(seen) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return count


def at_measured_steps(*also: tuple[Any, str]) -> Callable[[Callable[[], None]], None]:
    """Steps are the beginnings and ends of what the clock measures, and every call of the functions
    named in `also` (an object and the name of its attribute) while data is put in place."""
    return functools.partial(_count_measured_steps, also)


def _count_measured_steps(also: tuple[tuple[Any, str], ...], count: Callable[[], None]) -> None:
    is_putting_in_place = False
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
