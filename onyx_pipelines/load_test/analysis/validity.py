"""Conditions without which a run proves nothing; k6's exit status alone is never one.

k6 ends with 0 when every iteration throws, when the target is down, and when most of the planned
requests were never made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.latencies import answered, whole_ms
from onyx_pipelines.load_test.attribution.saturation import GENERATOR
from onyx_pipelines.load_test.facts import Fact, Value, What, fact
from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.results import Block, Gate, GateKind, Validity
from onyx_pipelines.load_test.running.run_folder import UnitRecord

_MOST_ERRORS: Final = 0.01
_LITTLE: Final = (0.85, 1.1)
_GENERATOR_BELOW: Final = 0.8
_STEADY_WITHIN: Final = 0.25
_SHORTEST_CPU_S: Final = 1.0
_FEWEST_FOR_STEADY: Final = 40


def judge_validity(
    planned: Sequence[Unit],
    records: Sequence[UnitRecord],
    samples: pd.DataFrame,
    telemetry: pd.DataFrame,
    *,
    cores: float,
) -> Validity:
    """All gates, of which none may fail.

    Errors count in the baseline block only: a sweep is meant to find where requests fail.
    """
    baseline = samples[samples["block"] == Block.BASELINE.value]
    return Validity(
        gates=(
            _all_units(planned, records),
            _all_rows(records),
            _few_errors(baseline),
            _little(baseline),
            _generator(records, telemetry, cores),
            _steady(baseline),
        )
    )


def _all_units(planned: Sequence[Unit], records: Sequence[UnitRecord]) -> Gate:
    aborted = next((each for each in records if each.aborted), None)
    observed = [fact(What.UNITS_RUN, run=len(records), planned=len(planned))]
    if aborted is not None:
        observed.append(fact(What.UNIT_ABORTED, unit=aborted.name, why=aborted.aborted))
    return Gate(
        kind=GateKind.WHOLE_PLAN,
        passed=len(records) == len(planned) and aborted is None,
        observed=tuple(observed),
        required=fact(What.ALL_UNITS),
    )


def _all_rows(records: Sequence[UnitRecord]) -> Gate:
    broken = [each for each in records if not each.is_whole]
    observed = [fact(What.UNITS_WHOLE, whole=len(records) - len(broken), run=len(records))]
    observed += [
        fact(
            What.UNIT_BROKEN,
            unit=bad.name,
            rows=bad.rows,
            planned=bad.planned,
            exit_status=bad.exit_status,
        )
        for bad in broken[:1]
    ]
    return Gate(
        kind=GateKind.EVERY_REQUEST,
        passed=not broken and bool(records),
        observed=tuple(observed),
        required=fact(What.ALL_ROWS),
    )


def _few_errors(baseline: pd.DataFrame) -> Gate:
    errors = len(baseline) - len(answered(baseline))
    share = errors / len(baseline) if len(baseline) else None
    observed = [fact(What.NO_REQUEST)]
    if share is not None:
        observed = [fact(What.REQUESTS_FAILED, percent=100 * share), *_commonest_error(baseline)]
    return Gate(
        kind=GateKind.FEW_ERRORS,
        passed=None if share is None else share <= _MOST_ERRORS,
        observed=tuple(observed),
        required=fact(What.FAILED_AT_MOST, percent=100 * _MOST_ERRORS),
    )


def _commonest_error(baseline: pd.DataFrame) -> Iterator[Fact]:
    failed = baseline[~baseline["status"].between(200, 299)]
    if len(failed):
        status = "status " + failed["status"].astype(str)
        text = failed["error"].where(failed["error"] != "", status)
        yield fact(What.COMMONEST_ERROR, error=str(text.mode().iloc[0])[:120])


def _little(baseline: pd.DataFrame) -> Gate:
    """Users = throughput x latency (J. D. C. Little, Operations Research 9, 1961), over each
    repeat's time with all users at work. What is missing was never sent, or not timed."""
    ratios = []
    for (_, _), rows in baseline.groupby(["scenario", "repeat"]):
        users = int(rows["users"].iloc[0])
        ends = rows.groupby("vu")["ended_ms"].max()
        begin, end = float(rows["started_ms"].min()), float(ends.min())
        if len(ends) != users or end <= begin:
            continue
        started = rows["started_ms"].clip(lower=begin)
        # Whole milliseconds of k6's clock, so the timed latency bounds each request instead.
        stopped = np.minimum(rows["started_ms"] + whole_ms(rows) + 1, end)
        inside = (stopped - started).clip(lower=0).sum()
        ratios.append(float(inside) / ((end - begin) * users))
    low, high = _LITTLE
    middle = float(np.median(ratios)) if ratios else None
    return Gate(
        kind=GateKind.BUSY_USERS,
        passed=None if middle is None else low <= middle <= high,
        observed=(_seen(What.USERS_BUSY, What.TOO_FEW_REQUESTS, ratio=middle),),
        required=fact(What.BUSY_WITHIN, low=low, high=high),
    )


def _generator(records: Sequence[UnitRecord], telemetry: pd.DataFrame, cores: float) -> Gate:
    """k6 times inside of its own process: starved of CPU, it reports its own waiting."""
    mine = telemetry[telemetry["service"] == GENERATOR]
    used = (mine["cpu_cores"] + mine["run_queue_cores"].fillna(0.0)) / cores
    by_unit = [
        each.generator_cpu_s / ((each.ended_ms - each.started_ms) / 1000) / cores
        for each in records
        if each.generator_cpu_s >= _SHORTEST_CPU_S and each.ended_ms > each.started_ms
    ]
    worst = max([*by_unit, *([float(used.quantile(0.95))] if len(used) else [])], default=None)
    return Gate(
        kind=GateKind.SPARE_CPU,
        passed=None if worst is None else worst < _GENERATOR_BELOW,
        observed=(_seen(What.GENERATOR_USED, What.NOT_KNOWN, share=worst),),
        required=fact(What.GENERATOR_BELOW, share=_GENERATOR_BELOW),
    )


def _steady(baseline: pd.DataFrame) -> Gate:
    """The second half of the repeats is like the first: nothing warms up or fills up."""
    worst, name = None, ""
    for scenario, rows in baseline.groupby("scenario"):
        fine = answered(rows).sort_values("ended_ms")
        if len(fine) < _FEWEST_FOR_STEADY:
            continue
        latency = whole_ms(fine).to_numpy()
        half = len(latency) // 2
        first = float(np.median(latency[:half]))
        if first <= 0:
            continue
        drift = abs(float(np.median(latency[half:])) / first - 1)
        if worst is None or drift >= worst:
            worst, name = drift, str(scenario)
    return Gate(
        kind=GateKind.STEADY_LATENCY,
        passed=None if worst is None else worst <= _STEADY_WITHIN,
        observed=(_seen(What.DRIFTED, What.TOO_FEW_REQUESTS, share=worst, scenario=name),),
        required=fact(What.DRIFT_AT_MOST, share=_STEADY_WITHIN),
    )


def _seen(known: What, unknown: What, **values: Value | None) -> Fact:
    """`unknown` where one of the values is None."""
    return fact(unknown) if None in values.values() else fact(known, **values)
