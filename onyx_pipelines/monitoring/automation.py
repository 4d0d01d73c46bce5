"""When the watching is looked at: hourly, and each day's availability after the day; whatever was
missed is made up from Prometheus' history."""

from datetime import UTC

import dagster as dg

from onyx_pipelines.core.names import Asset, Group, Job, run_tags
from onyx_pipelines.core.schedules import SCHEDULES
from onyx_pipelines.core.settings import PrometheusSettings
from onyx_pipelines.monitoring.assets import HISTORY_DAYS
from onyx_pipelines.monitoring.report.availability import read_days
from onyx_pipelines.monitoring.service_days import missing_days
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.scheduled import schedule_of

_TAGS = run_tags(max_runtime_h=0.5, exclusive=False)

observe_stack = dg.define_asset_job(
    Job.OBSERVE,
    selection=dg.AssetSelection.groups(Group.MONITORING)
    - dg.AssetSelection.assets(Asset.AVAILABILITY),
    description="Looks at the configuration, the scrapes, the speed of endpoints, and says how the"
    " whole stack is.",
    tags=_TAGS,
)

daily_availability = dg.define_asset_job(
    Job.AVAILABILITY,
    selection=dg.AssetSelection.assets(Asset.AVAILABILITY),
    description="The availability of each service on a day, from Prometheus' history.",
    tags=_TAGS,
)


def _no_prometheus(settings: PrometheusSettings) -> str:
    return "" if settings.prometheus_url else "ONYX_PROMETHEUS_URL is not set."


hourly_observation = schedule_of(
    Job.OBSERVE,
    "hourly_observation",
    "Hourly, if ONYX_PROMETHEUS_URL is set.",
    why_not=_no_prometheus,
)


@dg.schedule(
    job=daily_availability,
    cron_schedule=SCHEDULES[Job.AVAILABILITY].cron,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 00:20 UTC for the day before and for every missed day of the last 14, if"
    " ONYX_PROMETHEUS_URL is set.",
)
def daily_availability_schedule(
    context: dg.ScheduleEvaluationContext, onyx: OnyxSettings
) -> list[dg.RunRequest] | dg.SkipReason:
    tick = context.scheduled_execution_time
    if onyx.stacks:
        # A partition is a stack: each run makes up the days that its stack lacks.
        return onyx.on_schedule(dg.RunRequest(run_key=tick.isoformat()), _no_prometheus)
    settings = onyx.load()
    if reason := _no_prometheus(settings):
        return dg.SkipReason(reason)
    known = read_days(settings.reports_dir)
    wanted = missing_days(known, tick.astimezone(UTC), most=HISTORY_DAYS)
    if not wanted:
        return dg.SkipReason("Every day is known.")
    # A day that failed is asked for again, so the key must not repeat.
    return [
        dg.RunRequest(run_key=f"{day} {tick.isoformat()}", partition_key=day.isoformat())
        for day in wanted
    ]


JOBS = (observe_stack, daily_availability)
TICKS = (hourly_observation, daily_availability_schedule)
