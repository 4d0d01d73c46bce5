"""The sweep in numbers: per number of users throughput, latency, its parts, what services used."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from onyx_pipelines.load_test.analysis.latencies import answered, whole_ms
from onyx_pipelines.load_test.attribution.parts import COLUMNS_OF_PARTS, mean_parts
from onyx_pipelines.load_test.results import Block, Scenario, ServiceLoad, SweepStep
from onyx_pipelines.load_test.samples import TELEMETRY_COLUMNS

# Users start at once: what the first of them meet is no steady state.
_CUT_OFF: Final = 0.25
_TOO_MANY_REQUESTS: Final = 429
_UNAVAILABLE: Final = 503
# Only what is looked at: a copy of a million whole rows takes hundreds of MB.
_COLUMNS: Final = [
    *("users", "started_ms", "ended_ms", "status", "retry_after_s"),
    *COLUMNS_OF_PARTS,
]
_FIGURES: Final = [name for name in TELEMETRY_COLUMNS if name not in {"at_ms", "service"}]
_PEAK: Final = _FIGURES.index("memory_peak_bytes")


def sweep_steps(samples: pd.DataFrame, telemetry: pd.DataFrame) -> tuple[SweepStep, ...]:
    """By scenario and number of users, the start of each step cut off."""
    in_sweep = samples["block"] == Block.SWEEP.value
    return tuple(
        _step(scenario, int(str(users)), rows, telemetry)
        for scenario in Scenario
        for users, rows in samples.loc[
            in_sweep & (samples["scenario"] == scenario.value), _COLUMNS
        ].groupby("users")
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
        services=_loads(telemetry, begin, stop),
    )


def is_limited(rows: pd.DataFrame) -> pd.Series[bool]:
    """Turned away for their rate: 429, or 503 that says when to come again (RFC 9110, 10.2.3)."""
    says_when = (rows["status"] == _UNAVAILABLE) & rows["retry_after_s"].notna()
    return (rows["status"] == _TOO_MANY_REQUESTS) | says_when


def _loads(telemetry: pd.DataFrame, begin: float, end: float) -> tuple[ServiceLoad, ...]:
    at = telemetry["at_ms"].to_numpy()
    during = telemetry[(at >= begin) & (at <= end)]
    figures = during[_FIGURES].to_numpy()
    services = during["service"].to_numpy()
    return tuple(_load(name, figures[services == name]) for name in sorted(set(services)))


def _load(service: str, figures: npt.NDArray[np.float64]) -> ServiceLoad:
    known = np.isfinite(figures)
    counts = known.sum(axis=0)
    sums = np.where(known, figures, 0.0).sum(axis=0)
    means = (
        float(total / count) if count else None for total, count in zip(sums, counts, strict=True)
    )
    of_service = dict(zip(_FIGURES, means, strict=True))
    peaks = figures[known[:, _PEAK], _PEAK]
    of_service["memory_peak_bytes"] = float(peaks.max()) if len(peaks) else None
    return ServiceLoad.model_validate({"service": service, **of_service})
