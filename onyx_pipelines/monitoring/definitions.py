"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.monitoring.assets import (
    metrics_endpoint_latency,
    monitoring_configuration,
    scrape_coverage,
    service_availability,
)
from onyx_pipelines.monitoring.automation import JOBS, TICKS


def monitoring_definitions() -> dg.Definitions:
    """Assets, checks, jobs and schedules of the watching."""
    return dg.Definitions(
        assets=[
            monitoring_configuration,
            scrape_coverage,
            metrics_endpoint_latency,
            service_availability,
        ],
        jobs=JOBS,
        schedules=TICKS,
    )
