"""When load is sent: by hand, and monthly where a target is set."""

import dagster as dg

from onyx_pipelines.orchestration.resources import EXCLUSIVE_TAGS, OnyxSettings

MAX_RUNTIME_S = 3600

load_test = dg.define_asset_job(
    "load_test",
    selection=dg.AssetSelection.groups("load_test")
    - dg.AssetSelection.assets("load_test_baseline"),
    description="Sends the load, judges it, compares it with the baseline, names what limits it"
    " (AC9.6.1 to AC9.6.3). Users, scenarios and steps in the launchpad.",
    tags={**EXCLUSIVE_TAGS, "dagster/max_runtime": str(MAX_RUNTIME_S)},
)

promote_load_test_baseline = dg.define_asset_job(
    "promote_load_test_baseline",
    selection=dg.AssetSelection.assets("load_test_baseline"),
    description="Makes a valid run of at least three repeats the baseline of its environment.",
)


@dg.schedule(
    job=load_test,
    cron_schedule="0 5 2 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 2nd of each month at 05:00 UTC, if ONYX_LOAD_TEST_URL is set.",
)
def monthly_load_test(
    context: dg.ScheduleEvaluationContext, onyx: OnyxSettings
) -> dg.RunRequest | dg.SkipReason:
    if not onyx.load().load_test_url:
        return dg.SkipReason("ONYX_LOAD_TEST_URL is not set.")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


JOBS = (load_test, promote_load_test_baseline)
SCHEDULES = (monthly_load_test,)
