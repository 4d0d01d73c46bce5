"""When errors are looked at: each hour, and each morning for people; a morning that was missed is
made up."""

import dagster as dg

from onyx_pipelines.core.names import Asset, Job, run_tags
from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.digest import missing_days
from onyx_pipelines.errors.digest_report import written_days
from onyx_pipelines.orchestration.scheduled import no_prometheus, schedule_of, schedule_of_days

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


def _no_tracker(settings: ErrorSettings) -> str:
    return "" if settings.error_tracker_url else "ONYX_ERROR_TRACKER_URL is not set."


hourly_error_rate_schedule = schedule_of(
    Job.ERROR_RATE,
    "hourly_error_rate_schedule",
    "Hourly, if ONYX_PROMETHEUS_URL is set.",
    why_not=no_prometheus,
)


daily_error_digest_schedule = schedule_of_days(
    Job.ERROR_DIGEST,
    "daily_error_digest_schedule",
    "At 09:00 UTC for the 24 hours before and for every missed day of the last 14, if"
    " ONYX_ERROR_TRACKER_URL is set.",
    why_not=_no_tracker,
    missing=lambda settings, now: missing_days(written_days(settings.reports_dir), now),
)

JOBS = (hourly_error_rate, daily_error_digest)
TICKS = (hourly_error_rate_schedule, daily_error_digest_schedule)
