"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.errors.assets import error_digest, error_rate
from onyx_pipelines.errors.automation import JOBS, TICKS
from onyx_pipelines.errors.sensors import error_reports


def error_definitions() -> dg.Definitions:
    """Assets, checks, jobs, schedules and the sensor of what fails."""
    return dg.Definitions(
        assets=[error_rate, error_digest],
        jobs=JOBS,
        schedules=TICKS,
        sensors=[error_reports],
    )
