"""Steps are timed from one start, also those that fail."""

from __future__ import annotations

import time

import pytest

from onyx_pipelines.restore.results import Step, StepClock


def test_a_step_has_its_offset_duration_and_bytes() -> None:
    clock = StepClock(started=time.monotonic() - 10)

    with clock.step(Step.RESTORE, "onyx", plain_bytes=123):
        time.sleep(0.05)

    (timing,) = clock.timings()
    assert (timing.step, timing.item, timing.plain_bytes) == (Step.RESTORE, "onyx", 123)
    assert 10 <= timing.offset_s < 11
    assert 0.05 <= timing.duration_s < 1


def test_steps_stand_in_the_order_of_their_ends() -> None:
    clock = StepClock()

    with clock.step(Step.RESTORE, "outer"), clock.step(Step.FETCH, "inner"):
        pass

    assert [timing.item for timing in clock.timings()] == ["inner", "outer"]


def test_a_step_that_fails_is_timed_too() -> None:
    clock = StepClock()

    with pytest.raises(ZeroDivisionError), clock.step(Step.COMPARE, "onyx"):
        raise ZeroDivisionError

    assert [timing.step for timing in clock.timings()] == [Step.COMPARE]
