"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.restore.assets import (
    DrillRun,
    drill_asset,
    drill_is_recent,
    restore_drill_report,
)
from onyx_pipelines.restore.automation import JOBS, SCHEDULES, SENSORS
from onyx_pipelines.restore.job import restore_from_backup
from onyx_pipelines.sources.source import Component


def restore_definitions(onyx: OnyxSettings) -> dg.Definitions:
    """Assets, checks, jobs, schedule and sensor of drills and restores."""
    return dg.Definitions(
        assets=[*(drill_asset(component) for component in Component), restore_drill_report],
        asset_checks=[drill_is_recent],
        jobs=[*JOBS, restore_from_backup],
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"drill_run": DrillRun(onyx=onyx)},
    )
