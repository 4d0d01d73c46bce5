"""One k6 process for one unit: started, watched, interrupted in good time, never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from onyx_pipelines.core.text import duration_text, percent_text
from onyx_pipelines.host.processes import dying_with_us, end_group
from onyx_pipelines.load_test.k6.binary import K6
from onyx_pipelines.load_test.k6.following import RowFollower, SoFar
from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.target import Target

# 0: done; 99: a threshold failed (we set none, but a newer k6 may); all others mean something.
FINE_EXITS: Final = frozenset({0, 99})
_LOOK_EVERY_S: Final = 0.5
_GRACE_S: Final = 30.0
_GRACE_WHEN_ENDED_S: Final = 5.0
_START_UP_S: Final = 30.0
_REQUEST_TIMEOUT_S: Final = 60.0
_PAUSE_AFTER_FAILURE_S: Final = 0.2
_KEPT_STDERR: Final = 4000
# Fewer say nothing of the rate of errors.
_ENOUGH_TO_ABORT: Final = 20


@dataclass(frozen=True)
class UnitRun:
    """`aborted`: why we interrupted it, empty if we did not."""

    exit_status: int
    started_ms: float
    ended_ms: float
    cpu_s: float
    stderr: str
    aborted: str = ""


Watch = Callable[[SoFar, float], None]


def run_unit(
    k6: K6,
    unit: Unit,
    target: Target,
    folder: Path,
    *,
    run_id: str,
    address: str,
    longest_s: float,
    max_error_rate: float,
    watch: Watch,
    on_start: Callable[[int], None] = lambda _: None,
) -> UnitRun:
    """Run k6 until it ends; the rows are in `rows_file(folder)`.

    Args:
        address: where the scenario's requests go: the target, or the tap in front of it.
        watch: called twice a second with what came so far and the seconds since the start.
        on_start: called with the process id.

    Raises:
        OSError: k6 cannot be started.
    """
    rows = rows_file(folder)
    rows.unlink(missing_ok=True)
    with as_file(files("onyx_pipelines.load_test") / "scenarios") as scenarios:
        command = [
            # A test whose control is gone must not go on loading its target.
            *dying_with_us(),
            *(str(k6.path), "run", "--quiet", k6.summary_option, "--address", ""),
            *("--log-format", "raw", "--log-output", "stderr", "--console-output", str(rows)),
            *("--no-usage-report", str(scenarios / f"{unit.scenario.value}.js")),
        ]
        before = os.times()
        started = time.time()
        with (folder / "k6.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(unit, target, run_id, address, longest_s),
                start_new_session=True,
            )
        try:
            on_start(process.pid)
            aborted = _watch(process, RowFollower(rows), watch, unit, longest_s, max_error_rate)
        except BaseException:
            # Whoever ends the test does not read the rows of this unit.
            _stop(process, grace_s=_GRACE_WHEN_ENDED_S)
            raise
    after = os.times()
    return UnitRun(
        exit_status=process.returncode,
        started_ms=started * 1000,
        ended_ms=time.time() * 1000,
        cpu_s=after.children_user
        + after.children_system
        - before.children_user
        - before.children_system,
        stderr=_tail(folder / "k6.log"),
        aborted=aborted,
    )


def rows_file(folder: Path) -> Path:
    return folder / "rows.tsv"


def _environment(
    unit: Unit, target: Target, run_id: str, address: str, longest_s: float
) -> dict[str, str]:
    """The token goes by the environment: an argument would be seen by every user of the host."""
    told = {
        "run": run_id,
        "url": address,
        "scenario": unit.scenario.value,
        "block": unit.block.value,
        "repeat": unit.repeat,
        "users": unit.users,
        "messages": unit.messages,
        "duration_s": unit.duration_s,
        "rate_per_s": unit.rate_per_s,
        "longest_s": int(longest_s),
        "timeout_s": int(min(_REQUEST_TIMEOUT_S, longest_s)),
        "pause_after_failure_s": _PAUSE_AFTER_FAILURE_S,
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "ONYX_UNIT": json.dumps(told),
        "ONYX_TOKEN": target.token.get_secret_value(),
        "K6_NO_USAGE_REPORT": "true",
    }


def _watch(
    process: subprocess.Popen[bytes],
    rows: RowFollower,
    watch: Watch,
    unit: Unit,
    longest_s: float,
    max_error_rate: float,
) -> str:
    started = time.monotonic()
    wanted = unit.duration_s if unit.duration_s is not None else longest_s
    deadline = started + wanted + _REQUEST_TIMEOUT_S + _START_UP_S
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_EVERY_S)
        so_far = rows.read()
        watch(so_far, time.monotonic() - started)
        if process.returncode is not None:
            return ""
        if so_far.requests >= _ENOUGH_TO_ABORT and so_far.error_rate > max_error_rate:
            _stop(process)
            return (
                f"{so_far.errors} of {so_far.requests} requests failed, more than"
                f" {percent_text(max_error_rate)}"
            )
        if time.monotonic() > deadline:
            _stop(process)
            return f"k6 did not end within {duration_text(wanted)}"


def _stop(process: subprocess.Popen[bytes], *, grace_s: float = _GRACE_S) -> None:
    """SIGINT lets k6 write its rows out; what does not end then is killed."""
    end_group(process, signal.SIGINT, grace_s=grace_s)


def _tail(path: Path) -> str:
    return path.read_bytes()[-_KEPT_STDERR:].decode("utf-8", errors="replace")
