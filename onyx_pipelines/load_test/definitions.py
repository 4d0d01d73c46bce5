"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.load_test.assets import (
    baseline_comparison,
    bottleneck_report,
    concurrency_sweep,
    latency_percentiles,
    load_test_baseline,
    load_test_samples,
    service_saturation,
)
from onyx_pipelines.load_test.automation import JOBS, SCHEDULES
from onyx_pipelines.load_test.resources import LoadTestRun
from onyx_pipelines.orchestration.resources import OnyxSettings


def load_test_definitions(onyx: OnyxSettings) -> dg.Definitions:
    """Assets, checks, jobs and schedule of load tests."""
    return dg.Definitions(
        assets=[
            load_test_samples,
            latency_percentiles,
            service_saturation,
            concurrency_sweep,
            load_test_baseline,
            baseline_comparison,
            bottleneck_report,
        ],
        jobs=JOBS,
        schedules=SCHEDULES,
        resources={"load_test_run": LoadTestRun(onyx=onyx)},
    )
