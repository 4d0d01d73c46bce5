"""The spec's promises (AC9.6.2), judged from samples."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from onyx_pipelines.load_test.analysis.latencies import answered, measured_ms, measures_of, of_block
from onyx_pipelines.load_test.attribution.saturation import GENERATOR, HOST
from onyx_pipelines.load_test.results import Block, Measure, Objective, Scenario
from onyx_pipelines.load_test.statistics.objectives import judge_peak_memory, judge_percentile
from onyx_pipelines.load_test.targets import (
    CHAT_OBJECTIVE,
    MEMORY_OBJECTIVE,
    RAG_OBJECTIVE,
    Targets,
)


def judge_objectives(
    samples: pd.DataFrame, telemetry: pd.DataFrame, scenarios: Sequence[Scenario], targets: Targets
) -> tuple[Objective, ...]:
    """One objective per tested scenario that has a target, and memory."""
    found: list[Objective] = []
    if Scenario.CHAT in scenarios:
        measure = targets.chat_measure or measures_of(samples, Scenario.CHAT)[0]
        found.append(_judge(samples, Scenario.CHAT, measure, CHAT_OBJECTIVE, targets.chat_p95_ms))
    if Scenario.RAG in scenarios:
        found.append(
            _judge(samples, Scenario.RAG, Measure.RETRIEVAL, RAG_OBJECTIVE, targets.rag_p95_ms)
        )
    sampled, peaks = peak_memory(telemetry)
    found.append(judge_peak_memory(MEMORY_OBJECTIVE, sampled, peaks, targets.memory_bytes))
    return tuple(found)


def peak_memory(telemetry: pd.DataFrame) -> tuple[float | None, float | None]:
    """Bytes of all services together: at the fullest second, and the sum of each one's peak."""
    mine = telemetry[~telemetry["service"].isin([GENERATOR, HOST])]
    known = mine[mine["memory_bytes"].notna()]
    if known.empty:
        return None, None
    per_second = known.assign(second=(known["at_ms"] // 1000).astype("int64"))
    # A service that was not seen in a second counts with what it used before.
    table = per_second.pivot_table(index="second", columns="service", values="memory_bytes")
    sampled = float(table.ffill().sum(axis=1).max())
    peaks = mine.groupby("service")["memory_peak_bytes"].max()
    return sampled, float(peaks.sum()) if peaks.notna().all() else None


def _judge(
    samples: pd.DataFrame, scenario: Scenario, measure: Measure, name: str, target_ms: float
) -> Objective:
    mine = of_block(samples, scenario, Block.BASELINE)
    values = measured_ms(mine, measure)
    failures = len(mine) - len(answered(mine))
    if measure is Measure.FIRST_TOKEN:
        # An answer without a token is none.
        failures = len(mine) - len(values)
    return judge_percentile(name, measure, values, failures, target_ms)
