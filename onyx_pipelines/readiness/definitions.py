"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.readiness.assets import incident_playbooks, launch_checklist
from onyx_pipelines.readiness.automation import JOBS, TICKS


def readiness_definitions() -> dg.Definitions:
    """Assets, checks, jobs and schedules of game days and of the launch."""
    return dg.Definitions(assets=[incident_playbooks, launch_checklist], jobs=JOBS, schedules=TICKS)
