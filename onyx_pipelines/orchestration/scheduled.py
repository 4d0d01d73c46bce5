"""Schedules: when `core.schedules` says, each asks for its job in every stack."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import dagster as dg

from onyx_pipelines.core.schedules import SCHEDULES
from onyx_pipelines.core.settings import PrometheusSettings, Settings
from onyx_pipelines.orchestration.resources import OnyxSettings, nothing_configured

Requests = list[dg.RunRequest] | dg.SkipReason


def schedule_of(
    job: str,
    name: str,
    description: str,
    *,
    why_not: Callable[[Settings], str] = nothing_configured,
    why_not_at: Callable[[Settings, datetime], str] | None = None,
    run_config: dg.RunConfig | None = None,
) -> dg.ScheduleDefinition:
    """The job's schedule, which runs unless somebody stops it.

    Args:
        why_not: the reason why a stack has nothing to launch; "": none.
        why_not_at: the reason why it launches nothing at a tick's moment (UTC), where it otherwise
            would.
    """

    def tick(context: dg.ScheduleEvaluationContext, onyx: OnyxSettings) -> Requests:
        at = context.scheduled_execution_time.astimezone(UTC)
        key = context.scheduled_execution_time.isoformat()
        request = dg.RunRequest(run_key=key, run_config=run_config)

        def reason(settings: Settings) -> str:
            return why_not(settings) or (why_not_at(settings, at) if why_not_at else "")

        return onyx.on_schedule(request, reason)

    return _scheduled(tick, job, name, description)


def schedule_of_days(
    job: str,
    name: str,
    description: str,
    *,
    why_not: Callable[[Settings], str],
    missing: Callable[[Settings, datetime], Sequence[date]],
) -> dg.ScheduleDefinition:
    """The schedule of a job with a partition for each day: of the one before, and of those that
    were missed."""

    def tick(context: dg.ScheduleEvaluationContext, onyx: OnyxSettings) -> Requests:
        at = context.scheduled_execution_time
        if onyx.stacks:
            # A partition is a stack: each run makes up the days that its stack lacks.
            return onyx.on_schedule(dg.RunRequest(run_key=at.isoformat()), why_not)
        settings = onyx.load()
        if reason := why_not(settings):
            return dg.SkipReason(reason)
        # A day that failed is asked for again, so the key must not repeat.
        wanted = [
            dg.RunRequest(run_key=f"{day} {at.isoformat()}", partition_key=day.isoformat())
            for day in missing(settings, at.astimezone(UTC))
        ]
        return wanted or dg.SkipReason("Every day is known.")

    return _scheduled(tick, job, name, description)


def no_prometheus(settings: PrometheusSettings) -> str:
    """Why nothing that asks Prometheus is launched; "" where there is one."""
    return "" if settings.prometheus_url else "ONYX_PROMETHEUS_URL is not set."


def _scheduled(
    tick: Callable[..., Requests], job: str, name: str, description: str
) -> dg.ScheduleDefinition:
    return dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=SCHEDULES[job].cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )(tick)
