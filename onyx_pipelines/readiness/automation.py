"""When readiness is looked at: each morning, once the stack has an address for people."""

import dagster as dg

from onyx_pipelines.core.names import Asset, Job, run_tags
from onyx_pipelines.core.settings import LaunchSettings
from onyx_pipelines.orchestration.scheduled import schedule_of

daily_launch_review = dg.define_asset_job(
    Job.LAUNCH_REVIEW,
    selection=dg.AssetSelection.assets(Asset.LAUNCH_CHECKLIST),
    description="Looks at every item of the launch checklist.",
    tags=run_tags(max_runtime_h=0.5, exclusive=False),
)


def _no_address(settings: LaunchSettings) -> str:
    return "" if settings.public_url else "ONYX_PUBLIC_URL is not set."


daily_launch_review_schedule = schedule_of(
    Job.LAUNCH_REVIEW,
    "daily_launch_review_schedule",
    "At 06:30 UTC, if ONYX_PUBLIC_URL is set.",
    why_not=_no_address,
)

JOBS = (daily_launch_review,)
TICKS = (daily_launch_review_schedule,)
