"""From a simulated run to what `explain` is given, by the sweep's own analysis."""

from onyx_pipelines.load_test.analysis.sweep import sweep_steps
from onyx_pipelines.load_test.attribution.explain import explain
from onyx_pipelines.load_test.results import Attribution, SweepStep
from onyx_pipelines_tests.load_test.attribution.injected import Injected
from onyx_pipelines_tests.load_test.attribution.simulation import Run, sweep

# A baseline needs but some of the numbers of users in common.
BASELINE_USERS = (1, 4, 16)


def steps_of(run: Run) -> tuple[SweepStep, ...]:
    return sweep_steps(run.samples, run.telemetry)


def explained(injected: Injected, seed: int) -> Attribution:
    """What the analysis says of a run of the injected system, its healthy twin the baseline."""
    run = sweep(injected.system, seed)
    baseline = steps_of(sweep(injected.healthy, seed + 1, users=BASELINE_USERS))
    return explain(run.samples, run.telemetry, steps_of(run), None, baseline)


def measured_mean_ms(system, users: int, seed: int) -> float:
    return steps_of(sweep(system, seed, users=(users,)))[0].mean_ms
