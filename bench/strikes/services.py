"""A service that is gone, that does not answer, or that answers late or badly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from bench.strikes.strike import Strike
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox

Process = Callable[[WatchedSandbox], ServiceProcess]

SERVICES: Final[dict[str, Process]] = {
    "Suna": lambda w: w.sandbox.monitoring.suna,
    "Onyx": lambda w: w.sandbox.app,
    "Qdrant": lambda w: w.sandbox.qdrant,
    "LiteLLM": lambda w: w.sandbox.llm,
    "Redis": lambda w: w.sandbox.monitoring.redis,
    "nginx": lambda w: w.sandbox.monitoring.edge,
    "PostgreSQL's exporter": lambda w: w.sandbox.monitoring.exporters["postgres"],
    "Redis' exporter": lambda w: w.sandbox.monitoring.exporters["redis"],
    "our API": lambda w: w.sandbox.monitoring.api,
}


def kill(service: str) -> Strike:
    """As a power cut would."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        SERVICES[service](watched).kill()
        after.callback(watched.up)

    return strike


def hang(service: str) -> Strike:
    """Whoever connects is accepted by the kernel, and never answered."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        pid = SERVICES[service](watched).pid or 0
        os.killpg(pid, signal.SIGSTOP)
        after.callback(os.killpg, pid, signal.SIGCONT)

    return strike


def model(**delays: Any) -> Strike:
    """The model's provider is slow, or refuses (sandbox/llm/delays.py)."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.sandbox.llm.set_delays(**delays)
        # An outage ends with an answer.
        after.callback(watched.ask, 1)
        after.callback(watched.sandbox.llm.set_delays)

    return strike


def application(**faults: Any) -> Strike:
    """Onyx Core has faults of its own (sandbox/app/faults.py)."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.sandbox.app.set_faults(**faults)
        after.callback(watched.sandbox.app.set_faults)

    return strike
