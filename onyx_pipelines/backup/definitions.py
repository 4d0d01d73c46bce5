"""This capability's share of the code location."""

from __future__ import annotations

import dagster as dg

from onyx_pipelines.backup.assets import (
    backup_retention,
    backup_set_asset,
    component_asset,
    offsite_copy_asset,
)
from onyx_pipelines.backup.automation import JOBS, SCHEDULES, SENSORS
from onyx_pipelines.backup.checks import CHECKS
from onyx_pipelines.backup.job import verify_backups, weekly_verification_schedule
from onyx_pipelines.backup.resources import BackupRun
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.sources.source import Component


def backup_definitions(
    onyx: OnyxSettings, *, fail_after_hours: float | None, retry_delay_s: float
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of backups.

    Args:
        fail_after_hours: after which Dagster calls the set overdue. None: it does not judge.
    """
    return dg.Definitions(
        assets=[
            *(component_asset(component, retry_delay_s=retry_delay_s) for component in Component),
            backup_set_asset(fail_after_hours=fail_after_hours),
            offsite_copy_asset(retry_delay_s=retry_delay_s),
            backup_retention,
        ],
        asset_checks=CHECKS,
        jobs=[*JOBS, verify_backups],
        schedules=[*SCHEDULES, weekly_verification_schedule],
        sensors=SENSORS,
        resources={"backup_run": BackupRun(onyx=onyx)},
    )
