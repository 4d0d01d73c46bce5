"""Runs told to people: failed, recovered, succeeded, started, missed; and what is undelivered."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from onyx_pipelines.backup.host import open_stores
from onyx_pipelines.errors import OnyxError
from onyx_pipelines.notifications import deliver_pending, tell
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.quantities import human_bytes
from onyx_pipelines.run_resources import OnyxSettings
from onyx_pipelines.settings import Settings
from onyx_pipelines.vault.catalog import Catalog

_EVERY_S = 30
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=_EVERY_S,
    description="Every failed run is told to the notification channels, also one that failed while"
    " the daemon was down.",
)
def run_failure_notification(context: dg.RunFailureSensorContext, onyx: OnyxSettings) -> None:
    run = context.dagster_run
    settings = onyx.load()
    tell(
        settings,
        Event(
            outcome=Outcome.FAILED,
            subject=f"{run.job_name} failed",
            run_id=run.run_id,
            job=run.job_name,
            summary=first_cause(context),
            details=_details(run, settings),
            links=_links(run, settings),
            playbook=settings.playbook_url,
        ),
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=_EVERY_S,
    description="Tells that a job succeeded, and that it recovered if the run before had failed.",
)
def run_success_notification(context: dg.RunStatusSensorContext, onyx: OnyxSettings) -> None:
    run = context.dagster_run
    settings = onyx.load()
    recovered = _failed_before(context.instance, run)
    outcome = Outcome.RECOVERED if recovered else Outcome.SUCCEEDED
    said = "It had failed before; this run succeeded." if recovered else "All went well."
    tell(
        settings,
        Event(
            outcome=outcome,
            subject=f"{run.job_name} {outcome.value}",
            run_id=run.run_id,
            job=run.job_name,
            summary=said,
            details={**_details(run, settings), **_figures(context.instance, run)},
            links=_links(run, settings),
        ),
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.STARTED,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=_EVERY_S,
    description="Pings the dead man's switch that a job began.",
)
def run_start_notification(context: dg.RunStatusSensorContext, onyx: OnyxSettings) -> None:
    run = context.dagster_run
    tell(
        onyx.load(),
        Event(
            outcome=Outcome.STARTED,
            subject=f"{run.job_name} started",
            run_id=run.run_id,
            job=run.job_name,
            summary="It began.",
        ),
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Delivers what a channel did not take before, and tells once that a backup is"
    " overdue (ONYX_BACKUP_MAX_AGE_HOURS).",
)
def notification_delivery(context: dg.SensorEvaluationContext, onyx: OnyxSettings) -> dg.SkipReason:
    settings = onyx.load()
    overdue = overdue_backup(settings, datetime.now(UTC))
    if overdue is not None and context.cursor != overdue.run_id:
        tell(settings, overdue)
        context.update_cursor(overdue.run_id)
    sent = deliver_pending(settings)
    return dg.SkipReason(f"{sent} messages delivered." if sent else "Nothing to deliver.")


def overdue_backup(settings: Settings, now: datetime) -> Event | None:
    """The newest set is too old. Its id stands for the run: it is told once for each."""
    try:
        sets = Catalog(open_stores(settings)).sets()
    except OnyxError:
        # A store that does not answer fails the checks, which are told by themselves.
        return None
    if not sets:
        return None
    age = now - sets[0].timestamp
    if age <= timedelta(hours=settings.backup_max_age_hours):
        return None
    hours = age.total_seconds() / 3600
    return Event(
        outcome=Outcome.MISSED,
        subject="No backup in time",
        run_id=sets[0].backup_id,
        job="nightly_backup",
        summary=f"The newest set is {hours:.0f} hours old; at most"
        f" {settings.backup_max_age_hours:g} are allowed.",
        details={"newest set": sets[0].backup_id},
        playbook=settings.playbook_url,
    )


def _failed_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    records = instance.get_run_records(
        dg.RunsFilter(job_name=run.job_name, statuses=_FINISHED), limit=10
    )
    ids = [record.dagster_run.run_id for record in records]
    if run.run_id not in ids or ids.index(run.run_id) + 1 >= len(ids):
        return False
    before = records[ids.index(run.run_id) + 1]
    return before.dagster_run.status == dg.DagsterRunStatus.FAILURE


def _details(run: dg.DagsterRun, settings: Settings) -> dict[str, str | int | float]:
    set_id = run.tags.get("onyx/backup_id") or run.root_run_id or run.run_id
    found: dict[str, str | int | float] = {"host": settings.host_name or "this host"}
    if run.job_name == "nightly_backup":
        found["set"] = set_id
    return found


def _figures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str | int | float]:
    """How long it took, and the size of the set that it made."""
    found: dict[str, str | int | float] = {}
    stats = instance.get_run_stats(run.run_id)
    if stats.start_time and stats.end_time:
        found["took"] = f"{stats.end_time - stats.start_time:.0f} s"
    event = instance.get_latest_materialization_event(dg.AssetKey("backup_set"))
    made = event.asset_materialization if event and event.run_id == run.run_id else None
    for name in ("sealed_bytes", "plain_bytes"):
        entry = made.metadata.get(name) if made else None
        if entry is not None and isinstance(entry.value, int):
            found[name.replace("_bytes", " size")] = human_bytes(entry.value)
    return found


def _links(run: dg.DagsterRun, settings: Settings) -> dict[str, str]:
    base = settings.dagster_public_url.rstrip("/")
    return {"run": f"{base}/runs/{run.run_id}"} if base else {}


def first_cause(context: dg.RunFailureSensorContext) -> str:
    """The step that failed first, and why."""
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return f"{event.step_key}: {data.user_failure_data.description}"
    return _outside_of_steps(context.failure_event)


def _outside_of_steps(event: dg.DagsterEvent) -> str:
    """Why a run failed of which no step failed: the innermost error."""
    error = event.job_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return event.message or "The run ended without a message."
    return error.message.strip().removeprefix("dagster._core.definitions.events.Failure: ")
