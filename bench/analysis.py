"""Analysis and report of a load test with 1,000,000 samples, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from bench.peak_memory import peak_bytes
from bench.table import Line
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.plan import FULL, Unit, plan
from onyx_pipelines.load_test.results import Block, Environment, Scenario
from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord, UnitRecord
from onyx_pipelines.load_test.samples import COLUMNS, TELEMETRY_COLUMNS

SAMPLES = 1_000_000
_MEAN_MS = 120.0
_KNEE_USERS = 10


def run(directory: Path) -> list[Line]:
    """The second of two runs, so that it is compared with the first, which is the baseline."""
    (directory / "state").mkdir(mode=0o700)
    for number, slower in ((1, 1.0), (2, 1.1)):
        _make_run(directory, f"run {number}", slower)
    done = subprocess.run(
        [sys.executable, "-m", "bench.analysis", str(directory)],
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return [
        Line("analysis, 1,000,000 samples", told["analysis_s"], 10, "s", told["verdict"]),
        Line("its peak memory", told["peak_bytes"] / 1e6, 1000, "MB", "before the report"),
        Line("its report", told["report_s"], 10, "s", "six charts"),
        Line("peak memory with the report", told["report_peak_bytes"] / 1e6, None, "MB", ""),
    ]


def main() -> None:
    """What is measured."""
    directory = Path(sys.argv[1])
    settings = load_settings(
        {"state_dir": directory / "state", "reports_dir": directory / "reports"}
    )
    first = steps.find_run(settings, label="run 1")
    steps.promote(settings, first, by="bench")
    second = steps.find_run(settings, label="run 2")
    begun = time.monotonic()
    result = steps.result_of(settings, second)
    analysis_s, peak = time.monotonic() - begun, peak_bytes()
    begun = time.monotonic()
    steps.report(settings, second)
    report_s = time.monotonic() - begun
    print(
        json.dumps(
            {
                "analysis_s": analysis_s,
                "peak_bytes": peak,
                "report_s": report_s,
                "report_peak_bytes": peak_bytes(),
                "verdict": f"{len(result.summaries)} summaries,"
                f" {len(result.attributions)} scenarios explained, {result.verdict.value}",
            }
        )
    )


def _make_run(directory: Path, label: str, slower: float) -> None:
    key = f"{abs(hash(label)):016x}"[:16]
    folder = RunFolder(directory / "state", key)
    folder.begin(
        RunRecord(
            run_key=key,
            label=label,
            profile=FULL,
            target="http://127.0.0.1",
            environment=_ENVIRONMENT,
            started_at=datetime.now(UTC),
        )
    )
    units = plan(FULL)
    at_ms = time.time() * 1000 - 1e7
    for number, unit in enumerate(units):
        samples = _samples(unit, SAMPLES // len(units), at_ms, slower, number)
        end_ms = float(samples["ended_ms"].max())
        record = UnitRecord(
            name=unit.name,
            planned=None,
            rows=len(samples),
            torn=0,
            exit_status=0,
            attempts=1,
            started_ms=at_ms,
            ended_ms=end_ms,
            generator_cpu_s=1.0,
            aborted="",
            rate_per_s=unit.rate_per_s,
            message="",
        )
        folder.finish(unit, record, samples, _telemetry(at_ms, end_ms))
        at_ms = end_ms + 1000


def _samples(unit: Unit, rows: int, at_ms: float, slower: float, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    mean = _MEAN_MS * slower * max(1.0, unit.users / _KNEE_USERS)
    took = mean * np.exp(generator.normal(0, 0.3, rows))
    user = np.arange(rows) % unit.users
    ended = np.zeros(rows)
    for each in range(unit.users):
        ended[user == each] = np.cumsum(took[user == each])
    streamed = unit.scenario is Scenario.CHAT
    frame = pd.DataFrame(
        {
            "started_ms": at_ms + ended - took,
            "ended_ms": at_ms + ended,
            "scenario": unit.scenario.value,
            "block": unit.block.value,
            "repeat": unit.repeat if unit.block is Block.BASELINE else 1,
            "users": unit.users,
            "vu": user + 1,
            "iteration": np.arange(rows) // unit.users,
            "request": unit.scenario.value,
            "status": 200,
            "error_code": 0,
            "error": "",
            "blocked_ms": took * 0.01,
            "connecting_ms": 0.0,
            "tls_ms": 0.0,
            "sending_ms": took * 0.01,
            "waiting_ms": took * 0.96,
            "receiving_ms": took * 0.02,
            "bytes": 500,
            "first_token_ms": took * 0.4 if streamed else np.nan,
            "tokens": 20.0 if streamed else np.nan,
            "retry_after_s": np.nan,
            "server_timing": [
                f"total;dur={each:.3f}, pg_wait;dur=0.1, pg;dur={each / 4:.3f},"
                f" qdrant;dur={each / 5:.3f}"
                for each in took * 0.95
            ],
        }
    )
    return frame[list(COLUMNS)].astype(dict(COLUMNS))


def _telemetry(begin_ms: float, end_ms: float) -> pd.DataFrame:
    at = np.arange(begin_ms, end_ms, 1000.0)
    frames = [
        pd.DataFrame(
            {
                "at_ms": at,
                "service": service,
                "cores": 4.0,
                "cpu_cores": 0.5,
                "run_queue_cores": 0.01,
                "memory_bytes": 1e9,
                "memory_peak_bytes": 1e9,
            },
            columns=list(TELEMETRY_COLUMNS),
        )
        for service in ("app", "pg", "qdrant", "k6", "host")
    ]
    return pd.concat(frames, ignore_index=True).astype(dict(TELEMETRY_COLUMNS))


_ENVIRONMENT = Environment(
    fingerprint="0123456789abcdef",
    cpu_model="made up",
    cores=4,
    memory_bytes=16 * 2**30,
    k6_version="1.1.0",
    script_digest="fedcba9876543210",
    target="http://127.0.0.1",
)

if __name__ == "__main__":
    main()
