"""From a simulated run to what `explain` is given: steps as a sweep's analysis makes them."""

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.attribution.explain import explain
from onyx_pipelines.load_test.attribution.parts import mean_parts
from onyx_pipelines.load_test.results import Attribution, Scenario, ServiceLoad, SweepStep
from onyx_pipelines_tests.load_test.attribution.planted import Planted
from onyx_pipelines_tests.load_test.attribution.simulation import Run, sweep

_LATENCY = ["blocked_ms", "sending_ms", "waiting_ms", "receiving_ms"]
_GAUGES = [name for name in ServiceLoad.model_fields if name != "service"]


def steps_of(run: Run) -> list[SweepStep]:
    """The first quarter of every step is cut off."""
    return [_step(int(users), rows, run) for users, rows in run.samples.groupby("users")]


def explained(planted: Planted, seed: int) -> Attribution:
    """What the analysis says of a run of the planted system, its healthy twin the baseline."""
    run = sweep(planted.system, seed)
    baseline = steps_of(sweep(planted.healthy, seed + 1))
    return explain(run.samples, run.telemetry, steps_of(run), None, baseline)


def measured_mean_ms(system, users: int, seed: int) -> float:
    return steps_of(sweep(system, seed, users=(users,)))[0].mean_ms


def _step(users: int, rows: pd.DataFrame, run: Run) -> SweepStep:
    first, last = rows["started_ms"].min(), rows["ended_ms"].max()
    begin = first + 0.25 * (last - first)
    kept = rows[rows["ended_ms"] >= begin]
    answered = kept[kept["status"] == 200]
    latency = answered[_LATENCY].sum(axis=1)
    telemetry = run.telemetry[run.telemetry["at_ms"].between(begin, last)]
    return SweepStep(
        scenario=Scenario(rows["scenario"].iloc[0]),
        users=users,
        samples=len(answered),
        throughput_per_s=len(answered) / (last - begin) * 1000,
        mean_ms=latency.mean(),
        p95_ms=latency.quantile(0.95),
        error_rate=float((kept["status"] != 200).mean()),
        limited_rate=float((kept["status"] == 429).mean()),
        parts=mean_parts(answered),
        services=tuple(
            ServiceLoad(service=name, **_known(of_service[_GAUGES].mean()))
            for name, of_service in telemetry.groupby("service")
        ),
    )


def _known(means: pd.Series) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in means.items()}
