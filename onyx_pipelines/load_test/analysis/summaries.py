"""The baseline block in numbers: percentiles, throughput, errors (AC9.6.1, AC9.6.2)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.latencies import (
    answered,
    measured_ms,
    measures_of,
    of_block,
)
from onyx_pipelines.load_test.results import Block, LatencySummary, Measure, Scenario
from onyx_pipelines.load_test.statistics.percentiles import percentiles


def summarise(samples: pd.DataFrame) -> tuple[LatencySummary, ...]:
    """One summary per scenario and measure that has requests in the baseline block."""
    found = []
    for scenario in Scenario:
        mine = of_block(samples, scenario, Block.BASELINE)
        if len(mine):
            found += [_summary(mine, scenario, each) for each in measures_of(samples, scenario)]
    return tuple(found)


def repeat_values(samples: pd.DataFrame, scenario: Scenario, measure: Measure) -> list[list[float]]:
    """Latencies of each repeat of the baseline block, in the order of the repeats."""
    mine = of_block(samples, scenario, Block.BASELINE)
    return [list(measured_ms(rows, measure)) for _, rows in mine.groupby("repeat")]


def repeat_throughputs(samples: pd.DataFrame, scenario: Scenario) -> list[float]:
    """Answered requests per second of each repeat."""
    mine = of_block(samples, scenario, Block.BASELINE)
    found = (throughput_per_s(rows) for _, rows in mine.groupby("repeat"))
    return [value for value in found if value is not None]


def throughput_per_s(rows: pd.DataFrame) -> float | None:
    """Answered requests over the time from the first start to the last end."""
    fine = answered(rows)
    if fine.empty:
        return None
    span_ms = float(rows["ended_ms"].max() - rows["started_ms"].min())
    return 1000 * len(fine) / span_ms if span_ms > 0 else None


def _summary(mine: pd.DataFrame, scenario: Scenario, measure: Measure) -> LatencySummary:
    values = measured_ms(mine, measure)
    errors = len(mine) - len(answered(mine))
    repeats = repeat_values(mine, scenario, measure)
    throughputs = repeat_throughputs(mine, scenario)
    return LatencySummary(
        scenario=scenario,
        measure=measure,
        users=int(mine["users"].max()),
        repeats=len(repeats),
        samples=len(values),
        errors=errors,
        mean_ms=float(values.mean()) if len(values) else None,
        max_ms=float(values.max()) if len(values) else None,
        percentiles=percentiles(values),
        repeat_p95_ms=tuple(float(np.quantile(each, 0.95)) for each in repeats if each),
        throughput_per_s=float(np.mean(throughputs)) if throughputs else None,
        error_rate=errors / len(mine),
        longest_gap_s=_longest_gap_s(mine),
    )


def _longest_gap_s(mine: pd.DataFrame) -> float | None:
    """A stall of the target shows here, while a closed test's percentiles hide it."""
    gaps = [
        float(np.diff(np.sort(answered(rows)["ended_ms"].to_numpy())).max()) / 1000
        for _, rows in mine.groupby("repeat")
        if len(answered(rows)) > 1
    ]
    return max(gaps) if gaps else None
