"""Signals end a process as before, but never in a stretch that must not be cut."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from onyx_pipelines.sources.volumes.interruption import Interruption


@pytest.fixture(autouse=True)
def _nobody_handles_sigterm() -> Iterator[None]:
    """Dagster, once it ran a job in this process, turns SIGTERM into KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_in_a_protected_stretch_waits_for_its_end() -> None:
    interruption = Interruption()
    reached: list[str] = []

    def protected_stretch() -> None:
        with interruption.handled(), interruption.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("end of the stretch")
        reached.append("after it")

    with pytest.raises(SystemExit) as ending:
        protected_stretch()

    assert reached == ["end of the stretch"]
    assert ending.value.code == 128 + signal.SIGTERM


def test_handlers_of_others_are_called_and_put_back() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    own = signal.getsignal(signal.SIGTERM)

    with Interruption().handled():
        os.kill(os.getpid(), signal.SIGTERM)
    afterwards = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)

    assert seen == [signal.SIGTERM]
    assert afterwards is own


def test_outside_of_the_main_thread_it_does_nothing_and_harms_nothing() -> None:
    reached: list[str] = []

    def work() -> None:
        interruption = Interruption()
        with interruption.handled(), interruption.deferred():
            reached.append("inside")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert reached == ["inside"]
