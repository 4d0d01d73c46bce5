"""Conditions without which a run proves nothing; k6's exit status alone is never one.

k6 ends with 0 when every iteration throws, when the target is down, and when most of the planned
requests were never made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.analysis.latencies import answered, whole_ms
from onyx_pipelines.load_test.attribution.saturation import GENERATOR
from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.results import Block, Gate, Validity
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
    observed = f"{len(records)} of {len(planned)} units were run"
    if aborted is not None:
        observed += f"; {aborted.name} was aborted: {aborted.aborted}"
    return Gate(
        name="the whole plan was run",
        passed=len(records) == len(planned) and aborted is None,
        observed=observed,
        required="all of them",
    )


def _all_rows(records: Sequence[UnitRecord]) -> Gate:
    broken = [each for each in records if not each.is_whole]
    first = ""
    if broken:
        bad = broken[0]
        first = (
            f"; {bad.name}: {bad.rows} rows"
            + (f" of {bad.planned}" if bad.planned is not None else "")
            + f", k6 ended with {bad.exit_status}"
        )
    return Gate(
        name="every planned request was made",
        passed=not broken and bool(records),
        observed=f"{len(records) - len(broken)} of {len(records)} units are whole{first}",
        required="a row for each planned request, and k6's own end",
    )


def _few_errors(baseline: pd.DataFrame) -> Gate:
    errors = len(baseline) - len(answered(baseline))
    share = errors / len(baseline) if len(baseline) else None
    worst = _commonest_error(baseline)
    return Gate(
        name="requests succeed",
        passed=None if share is None else share <= _MOST_ERRORS,
        observed="no request" if share is None else f"{100 * share:.2f} % failed{worst}",
        required=f"at most {100 * _MOST_ERRORS:g} % of the baseline block",
    )


def _commonest_error(baseline: pd.DataFrame) -> str:
    failed = baseline[~baseline["status"].between(200, 299)]
    if failed.empty:
        return ""
    text = failed["error"].where(failed["error"] != "", "status " + failed["status"].astype(str))
    return f" (most often: {str(text.mode().iloc[0])[:120]})"


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
    if not ratios:
        return Gate(
            name="users were busy all the time",
            passed=None,
            observed="too few requests to tell",
            required="throughput x latency = users",
        )
    low, high = _LITTLE
    middle = float(np.median(ratios))
    return Gate(
        name="users were busy all the time",
        passed=low <= middle <= high,
        observed=f"throughput x latency / users = {middle:.2f}",
        required=f"{low:g} to {high:g}",
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
        name="the generator had CPU to spare",
        passed=None if worst is None else worst < _GENERATOR_BELOW,
        observed="not known" if worst is None else f"{100 * worst:.0f} % of its cores",
        required=f"below {100 * _GENERATOR_BELOW:.0f} %",
    )


def _steady(baseline: pd.DataFrame) -> Gate:
    """The second half of the repeats is like the first: nothing warms up or fills up."""
    worst, name = 0.0, ""
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
        if drift >= worst:
            worst, name = drift, str(scenario)
    return Gate(
        name="latency is steady",
        passed=None if not name else worst <= _STEADY_WITHIN,
        observed=f"{100 * worst:.0f} % from the first half to the second ({name})"
        if name
        else "too few requests to tell",
        required=f"at most {100 * _STEADY_WITHIN:.0f} % apart",
    )
