"""The sweep in numbers: per number of users throughput, latency, its parts, what services used."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.latencies import answered, of_block, whole_ms
from onyx_pipelines.load_test.attribution.parts import mean_parts
from onyx_pipelines.load_test.results import Block, Scenario, ServiceLoad, SweepStep

# Users start at once: what the first of them meet is no steady state.
_CUT_OFF: Final = 0.25
_TOO_MANY_REQUESTS: Final = 429
_UNAVAILABLE: Final = 503
_MEANS: Final = (
    *("cpu_cores", "run_queue_cores", "throttled_share"),
    *("memory_bytes", "pool_size", "pool_busy", "pool_waiting"),
)


def sweep_steps(samples: pd.DataFrame, telemetry: pd.DataFrame) -> tuple[SweepStep, ...]:
    """By scenario and number of users, the start of each step cut off."""
    return tuple(
        _step(scenario, int(str(users)), rows, telemetry)
        for scenario in Scenario
        for users, rows in of_block(samples, scenario, Block.SWEEP).groupby("users")
    )


def _step(scenario: Scenario, users: int, rows: pd.DataFrame, telemetry: pd.DataFrame) -> SweepStep:
    first, last = float(rows["started_ms"].min()), float(rows["ended_ms"].max())
    # Requests that end after the users were told to stop come ever more thinly.
    stop = float(rows["started_ms"].max())
    begin = first + _CUT_OFF * (stop - first)
    kept = rows[rows["ended_ms"].between(begin, stop)]
    if kept.empty:
        kept, begin, stop = rows, first, last
    fine = answered(kept)
    latency = whole_ms(fine)
    span_s = max((stop - begin) / 1000, 1e-9)
    during = telemetry[telemetry["at_ms"].between(begin, stop)]
    return SweepStep(
        scenario=scenario,
        users=users,
        samples=len(fine),
        throughput_per_s=len(fine) / span_s,
        mean_ms=float(latency.mean()) if len(fine) else 0.0,
        p95_ms=float(latency.quantile(0.95)) if len(fine) else None,
        error_rate=1 - len(fine) / len(kept),
        limited_rate=float(is_limited(kept).mean()),
        parts=mean_parts(fine),
        services=tuple(
            _load(str(name), of_service) for name, of_service in during.groupby("service")
        ),
    )


def is_limited(rows: pd.DataFrame) -> pd.Series[bool]:
    """Turned away for their rate: 429, or 503 that says when to come again (RFC 9110, 10.2.3)."""
    says_when = (rows["status"] == _UNAVAILABLE) & rows["retry_after_s"].notna()
    return (rows["status"] == _TOO_MANY_REQUESTS) | says_when


def _load(name: str, rows: pd.DataFrame) -> ServiceLoad:
    means = {column: _known(rows[column].mean()) for column in _MEANS}
    return ServiceLoad(
        service=name,
        cores=float(rows["cores"].iloc[-1]),
        memory_peak_bytes=_known(rows["memory_peak_bytes"].max()),
        **means,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
