"""Puts one load test together: validity, numbers, objectives, capacity, comparison, cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from onyx_pipelines.load_test.analysis.comparison import compare, series_of
from onyx_pipelines.load_test.analysis.objectives import judge_objectives, peak_memory
from onyx_pipelines.load_test.analysis.summaries import summarise
from onyx_pipelines.load_test.analysis.sweep import sweep_steps
from onyx_pipelines.load_test.analysis.validity import judge_validity
from onyx_pipelines.load_test.attribution.explain import explain
from onyx_pipelines.load_test.baselines import Baseline
from onyx_pipelines.load_test.capacity.fitting import fit_capacity, steps_of
from onyx_pipelines.load_test.plan import plan
from onyx_pipelines.load_test.results import (
    Attribution,
    Capacity,
    Comparison,
    LoadTestResult,
    SweepStep,
)
from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord, UnitRecord
from onyx_pipelines.load_test.targets import Targets


def analyse(folder: RunFolder, targets: Targets, baseline: Baseline | None) -> LoadTestResult:
    """The result of what is in the folder by now.

    Args:
        baseline: of the same environment; None: there is none.

    Raises:
        NotFoundError: there is no such run.
    """
    record = folder.record()
    units = plan(record.profile)
    records = list(folder.units(units))
    samples, telemetry = folder.samples(units), folder.telemetry(units)
    steps = sweep_steps(samples, telemetry)
    capacities = capacities_of(steps)
    return LoadTestResult(
        run_id=record.run_key,
        profile=record.profile.name,
        is_baseline_candidate=record.profile.repeats >= 3,
        target=record.target,
        started_at=record.started_at,
        finished_at=_finished_at(record, records),
        generator_s=sum(each.ended_ms - each.started_ms for each in records) / 1000,
        environment=record.environment,
        validity=judge_validity(
            units, records, samples, telemetry, cores=float(record.environment.cores)
        ),
        summaries=summarise(samples),
        objectives=judge_objectives(samples, telemetry, record.profile.scenarios, targets),
        sweep=steps,
        capacities=capacities,
        comparison=comparison_of(samples, baseline),
        attributions=attributions_of(samples, telemetry, steps, capacities, baseline),
        alarms=folder.alarms(),
        peak_memory_bytes=peak_memory(telemetry)[0],
        attempts=max((each.attempts for each in records), default=1),
    )


def capacities_of(steps: Sequence[SweepStep]) -> tuple[Capacity, ...]:
    """Of every scenario with enough steps."""
    scenarios = dict.fromkeys(step.scenario for step in steps)
    fitted = (fit_capacity(steps_of(steps, scenario)) for scenario in scenarios)
    return tuple(each for each in fitted if each is not None)


def comparison_of(samples: pd.DataFrame, baseline: Baseline | None) -> Comparison:
    if baseline is None:
        return Comparison(baseline_id=None)
    return compare(baseline.baseline_id, baseline.series, series_of(samples))


def attributions_of(
    samples: pd.DataFrame,
    telemetry: pd.DataFrame,
    steps: Sequence[SweepStep],
    capacities: Sequence[Capacity],
    baseline: Baseline | None,
) -> tuple[Attribution, ...]:
    """Of every scenario of the sweep."""
    by_scenario = {capacity.scenario: capacity for capacity in capacities}
    before = baseline.sweep if baseline is not None else ()
    return tuple(
        explain(
            samples,
            telemetry,
            steps_of(steps, scenario),
            by_scenario.get(scenario),
            steps_of(before, scenario) or None,
        )
        for scenario in dict.fromkeys(step.scenario for step in steps)
    )


def _finished_at(record: RunRecord, records: Sequence[UnitRecord]) -> datetime:
    last_ms = max((each.ended_ms for each in records), default=0.0)
    if not last_ms:
        return record.started_at
    return max(record.started_at, datetime.fromtimestamp(last_ms / 1000, UTC))
