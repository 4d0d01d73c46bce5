"""A signal that comes in the midst of Tink's own callbacks ends the work; C++ would make of it an
error of its own, and reading would call the object damaged."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import raise_execution_interrupts
from tink.streaming_aead._file_object_adapter import FileObjectAdapter

from onyx_pipelines.terminal.ending import unwinding_signals
from onyx_pipelines_tests.default_signals import as_python_begins
from onyx_pipelines_tests.vault.test_sealing import Collected, seal, seal_into, unseal

__all__ = ["as_python_begins"]

PLAIN = os.urandom(3 << 20)
Plant = Callable[[str, int, int], None]
ENDINGS = [
    pytest.param(signal.SIGINT, KeyboardInterrupt, unwinding_signals, id="ctrl-c"),
    pytest.param(signal.SIGTERM, SystemExit, unwinding_signals, id="SIGTERM"),
    pytest.param(signal.SIGHUP, SystemExit, unwinding_signals, id="SIGHUP"),
    pytest.param(
        signal.SIGINT, dg.DagsterExecutionInterruptedError, raise_execution_interrupts, id="Dagster"
    ),
]


@pytest.fixture
def comes_within(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """`comes_within("write", SIGINT, 3)`: as the third call of Tink's own `write` begins."""

    def plant(name: str, number: int, at: int) -> None:
        method = getattr(FileObjectAdapter, name)
        calls = 0

        def interrupted(adapter: FileObjectAdapter, argument: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                signal.raise_signal(number)
            return method(adapter, argument)

        monkeypatch.setattr(FileObjectAdapter, name, interrupted)

    return plant


@pytest.mark.parametrize(("number", "raised", "signals"), ENDINGS)
def test_sealing_ends(
    comes_within: Plant,
    number: int,
    raised: type[BaseException],
    signals: Callable[[], AbstractContextManager[None]],
) -> None:
    comes_within("write", number, 3)

    with pytest.raises(raised), signals():
        seal_into(Collected(), PLAIN)


@pytest.mark.parametrize("at", [1, 2, 20])
@pytest.mark.parametrize(("number", "raised", "signals"), ENDINGS)
def test_unsealing_ends_and_calls_nothing_damaged(
    comes_within: Plant,
    number: int,
    raised: type[BaseException],
    signals: Callable[[], AbstractContextManager[None]],
    at: int,
) -> None:
    sealed, _ = seal(PLAIN)
    comes_within("read", number, at)

    with pytest.raises(raised), signals():
        unseal(sealed, PLAIN)
