"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.readiness.assets import incident_playbooks, launch_checklist
from onyx_pipelines.readiness.automation import JOBS, TICKS
from onyx_pipelines.readiness.job import incident_triage
from onyx_pipelines.readiness.sensors import unattended_incidents


def readiness_definitions() -> dg.Definitions:
    """Of game days and the launch assets, checks, jobs and schedules; of incidents the job that
    looks, and the sensor of those that nobody attends to."""
    return dg.Definitions(
        assets=[incident_playbooks, launch_checklist],
        jobs=[*JOBS, incident_triage],
        schedules=TICKS,
        sensors=[unattended_incidents],
    )
