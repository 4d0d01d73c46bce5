"""When load is sent: by hand, and monthly where a target is set."""

from datetime import datetime

import dagster as dg

from onyx_pipelines.core.names import Asset, Group, Job, run_tags
from onyx_pipelines.core.settings import LoadTestSettings
from onyx_pipelines.orchestration.scheduled import schedule_of

load_test = dg.define_asset_job(
    Job.LOAD_TEST,
    selection=dg.AssetSelection.groups(Group.LOAD_TEST) - dg.AssetSelection.assets(Asset.BASELINE),
    description="Sends the load, judges it, compares it with the baseline, names what limits it"
    " (AC9.6.1 to AC9.6.3). Users, scenarios and steps in the launchpad.",
    tags=run_tags(max_runtime_h=1),
)

promote_load_test_baseline = dg.define_asset_job(
    Job.PROMOTE,
    selection=dg.AssetSelection.assets(Asset.BASELINE),
    description="Makes a valid run of at least three repeats the baseline of its environment.",
)


def _no_target(settings: LoadTestSettings) -> str:
    return "" if settings.load_test_url else "ONYX_LOAD_TEST_URL is not set."


def _not_this_month(settings: LoadTestSettings, at: datetime) -> str:
    is_due = settings.load_test_every == "month" or at.month in (1, 4, 7, 10)
    return "" if is_due else "ONYX_LOAD_TEST_EVERY is quarter."


monthly_load_test = schedule_of(
    Job.LOAD_TEST,
    "monthly_load_test",
    "On the 2nd of each month (ONYX_LOAD_TEST_EVERY) at 05:00 UTC, if ONYX_LOAD_TEST_URL is set.",
    why_not=_no_target,
    why_not_at=_not_this_month,
)
JOBS = (load_test, promote_load_test_baseline)
SCHEDULES = (monthly_load_test,)
