"""The second pair of eyes: the API looks after incidents by itself, and where it does not, Dagster
does."""

from datetime import UTC, datetime

import dagster as dg

from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import moment_text
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness.incidents.attending import is_overdue


@dg.sensor(
    job_name=Job.TRIAGE,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches `incident_triage` where an incident has waited for a look, a message or"
    " an escalation for 45 seconds: the API, which does it within ten, is down.",
)
def unattended_incidents(
    context: dg.SensorEvaluationContext,  # noqa: ARG001  (Dagster takes the first argument for it)
    onyx: OnyxSettings,
) -> list[dg.RunRequest] | dg.SkipReason:
    now = datetime.now(UTC)

    def why_not(settings: Settings) -> str:
        return "" if is_overdue(settings, now) else "No incident waits."

    # One a minute, should a run not be enough.
    return onyx.on_schedule(dg.RunRequest(run_key=moment_text(now)), why_not)
