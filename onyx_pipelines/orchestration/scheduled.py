"""Schedules: when `core.schedules` says, each asks for its job in every stack."""

from collections.abc import Callable

import dagster as dg

from onyx_pipelines.core.schedules import SCHEDULES
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.orchestration.resources import OnyxSettings, nothing_configured


def schedule_of(
    job: str,
    name: str,
    description: str,
    *,
    why_not: Callable[[Settings], str] = nothing_configured,
    run_config: dg.RunConfig | None = None,
) -> dg.ScheduleDefinition:
    """The job's schedule, which runs unless somebody stops it.

    Args:
        why_not: the reason why a stack has nothing to launch; "": none.
    """

    def tick(
        context: dg.ScheduleEvaluationContext, onyx: OnyxSettings
    ) -> list[dg.RunRequest] | dg.SkipReason:
        key = context.scheduled_execution_time.isoformat()
        return onyx.on_schedule(dg.RunRequest(run_key=key, run_config=run_config), why_not)

    return dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=SCHEDULES[job].cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )(tick)
