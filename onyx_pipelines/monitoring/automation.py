"""When the watching is looked at: hourly, and each day's availability after the day; whatever was
missed is made up from Prometheus' history."""

import dagster as dg

from onyx_pipelines.core.names import Asset, Group, Job, run_tags
from onyx_pipelines.monitoring.report.availability import read_days
from onyx_pipelines.monitoring.service_days import missing_days
from onyx_pipelines.orchestration.scheduled import no_prometheus, schedule_of, schedule_of_days

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


hourly_observation = schedule_of(
    Job.OBSERVE,
    "hourly_observation",
    "Hourly, if ONYX_PROMETHEUS_URL is set.",
    why_not=no_prometheus,
)


daily_availability_schedule = schedule_of_days(
    Job.AVAILABILITY,
    "daily_availability_schedule",
    "At 00:20 UTC for the day before and for every missed day of the last 14, if"
    " ONYX_PROMETHEUS_URL is set.",
    why_not=no_prometheus,
    missing=lambda settings, now: missing_days(read_days(settings.reports_dir), now),
)

JOBS = (observe_stack, daily_availability)
TICKS = (hourly_observation, daily_availability_schedule)
