"""The way of an error: what a capture costs its service, how fast events are delivered, and whether
any is lost or doubled while tracker and service are killed again and again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.table import Line, say
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.sandbox.ports import free_port

_EVENTS: Final = 10_000
_KILLS: Final = 50
_TIMED: Final = 2_000
_PATIENCE_S: Final = 120.0


def run(directory: Path) -> list[Line]:
    """Captures without a tracker, the delivery of those, then the kills."""
    return [*_costs(directory / "costs"), *_killed(directory / "kills")]


def _costs(folder: Path) -> list[Line]:
    host = _Host(folder)
    storm, afresh = host.cost(_TIMED), host.cost(2 * _TIMED, "--afresh")
    with host.tracker():
        begun_at = time.monotonic()
        # Any process of the host delivers what is left.
        with host.capturing(2 * _TIMED + 1, "--stay"):
            _wait(lambda: not host.waiting(), "everything is delivered")
        rate = 2 * _TIMED / (time.monotonic() - begun_at)
    return [
        storm.line("a capture without a tracker, p99"),
        afresh.line("the same where none of its 30 breadcrumbs is known, p99"),
        Line(
            "events delivered a second",
            rate,
            200,
            "",
            f"{2 * _TIMED} from the spool, with the start of the process",
            at_least=True,
        ),
    ]


def _killed(folder: Path) -> list[Line]:
    host, chance = _Host(folder), random.Random(16)
    begun_at = time.monotonic()
    tracker, service = host.tracker(), host.capturing(_EVENTS)
    for kill in range(1, _KILLS + 1):
        wanted = kill * _EVENTS // (_KILLS + 1) + chance.randrange(50)
        _wait(partial(host.has_captured, wanted), "it captures")
        if kill % 2:
            service.kill()
            service = host.capturing(_EVENTS)
        else:
            tracker.kill()
            tracker = host.tracker()
    _wait(lambda: len(host.captured()) >= _EVENTS and service.poll() is not None, "all is captured")
    with host.capturing(_EVENTS + 1, "--stay"):
        _wait(lambda: not host.waiting(), "everything is delivered")
    tracker.kill()
    captured, taken = set(host.captured()), host.taken()
    say(f"  {_KILLS} kills in {time.monotonic() - begun_at:.0f} s, {host.resent()} sent twice")
    what = f"{len(captured)} captured, {_KILLS} kills of tracker and service"
    return [
        Line("events lost", len(captured - set(taken)), 0, "", what),
        Line(
            "events doubled",
            len(taken) - len(set(taken)),
            0,
            "",
            f"{host.resent()} were sent twice, after a kill before the answer: their id is known",
        ),
    ]


@dataclass(frozen=True)
class _Cost:
    """Of a capture, in milliseconds: by the clock, and of the processor for its thread alone, which
    says the same however busy the machine is."""

    median: float
    p99: float
    used: float
    used_p99: float

    def line(self, what: str) -> Line:
        return Line(
            what,
            self.p99,
            1,
            "ms",
            f"median {self.median:.2f} ms;"
            f" processor {self.used:.2f} ms, p99 {self.used_p99:.2f} ms;"
            f" load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores",
        )


class _Host:
    """One spool, one tracker, one service."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._ids, self._taken = folder / "captured", folder / "taken"
        self._port = free_port()
        self._spool = Spool(folder / "state" / "errors", 10**9)
        self.environment = {
            **os.environ,
            "ONYX_SENTRY_DSN": f"http://public@127.0.0.1:{self._port}/7",
            "ONYX_STATE_DIR": str(folder / "state"),
            "ONYX_ERROR_PSEUDONYM_KEY": "key",
        }

    def service(self, count: int, *more: str) -> list[str]:
        module = "onyx_pipelines_tests.errors.capturing"
        return [sys.executable, "-m", module, str(self._ids), str(count), *more]

    def cost(self, count: int, *more: str) -> _Cost:
        """Of captures until there are so many."""
        said = subprocess.run(
            self.service(count, "--timed", *more),
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return _Cost(*map(float, said.stdout.split()))

    def capturing(self, count: int, *more: str) -> subprocess.Popen[bytes]:
        """Killed at the end of a block."""
        command = self.service(count, *more)
        return _Killed(command, env=self.environment, stderr=subprocess.DEVNULL)

    def tracker(self) -> subprocess.Popen[bytes]:
        module = "onyx_pipelines_tests.errors.fake_tracker"
        return _Killed(
            [sys.executable, "-m", module, str(self._port), str(self._taken)],
            stderr=subprocess.DEVNULL,
        )

    def captured(self) -> list[str]:
        """A line that a kill cut off is none: its event may be there all the same."""
        text = self._ids.read_text() if self._ids.exists() else ""
        return text[: text.rfind("\n") + 1].split()

    def has_captured(self, wanted: int) -> bool:
        return len(self.captured()) >= wanted

    def taken(self) -> list[str]:
        return [each for each in self._taken.read_text().split("\n") if each and each[0] != "="]

    def resent(self) -> int:
        return self._taken.read_text().count("=")

    def waiting(self) -> bool:
        return any(True for _ in self._spool.waiting())


class _Killed(subprocess.Popen[bytes]):
    """Killed at the end of a block."""

    def __exit__(self, *of: object) -> None:
        self.kill()
        super().__exit__(*of)  # type: ignore[arg-type]  # as Popen's own


def _wait(holds: Callable[[], object], what: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"not within {_PATIENCE_S:.0f} s: {what}")
        time.sleep(0.05)
