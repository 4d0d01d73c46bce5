"""When errors are looked at: each hour, and each morning for people; a morning that was missed is
made up."""

from datetime import UTC

import dagster as dg

from onyx_pipelines.core.names import Asset, Job, run_tags
from onyx_pipelines.core.schedules import SCHEDULES
from onyx_pipelines.core.settings import ErrorSettings, PrometheusSettings
from onyx_pipelines.errors.digest import missing_days
from onyx_pipelines.errors.digest_report import written_days
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.scheduled import schedule_of

_TAGS = run_tags(max_runtime_h=0.5, exclusive=False)

hourly_error_rate = dg.define_asset_job(
    Job.ERROR_RATE,
    selection=dg.AssetSelection.assets(Asset.ERROR_RATE),
    description="The error rate of the last full hour, and whether errors reach the tracker.",
    tags=_TAGS,
)

daily_error_digest = dg.define_asset_job(
    Job.ERROR_DIGEST,
    selection=dg.AssetSelection.assets(Asset.ERROR_DIGEST),
    description="The errors of a day, as a page and as mail.",
    tags=_TAGS,
)


def _no_prometheus(settings: PrometheusSettings) -> str:
    return "" if settings.prometheus_url else "ONYX_PROMETHEUS_URL is not set."


def _no_tracker(settings: ErrorSettings) -> str:
    return "" if settings.error_tracker_url else "ONYX_ERROR_TRACKER_URL is not set."


hourly_error_rate_schedule = schedule_of(
    Job.ERROR_RATE,
    "hourly_error_rate_schedule",
    "Hourly, if ONYX_PROMETHEUS_URL is set.",
    why_not=_no_prometheus,
)


@dg.schedule(
    job=daily_error_digest,
    cron_schedule=SCHEDULES[Job.ERROR_DIGEST].cron,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 09:00 UTC for the 24 hours before and for every missed day of the last 14, if"
    " ONYX_ERROR_TRACKER_URL is set.",
)
def daily_error_digest_schedule(
    context: dg.ScheduleEvaluationContext, onyx: OnyxSettings
) -> list[dg.RunRequest] | dg.SkipReason:
    tick = context.scheduled_execution_time
    if onyx.stacks:
        # A partition is a stack: each run makes up the days that its stack lacks.
        return onyx.on_schedule(dg.RunRequest(run_key=tick.isoformat()), _no_tracker)
    settings = onyx.load()
    if reason := _no_tracker(settings):
        return dg.SkipReason(reason)
    wanted = missing_days(written_days(settings.reports_dir), tick.astimezone(UTC))
    if not wanted:
        return dg.SkipReason("Every day has its digest.")
    # A day that failed is asked for again, so the key must not repeat.
    return [
        dg.RunRequest(run_key=f"{day} {tick.isoformat()}", partition_key=day.isoformat())
        for day in wanted
    ]


JOBS = (hourly_error_rate, daily_error_digest)
TICKS = (hourly_error_rate_schedule, daily_error_digest_schedule)
