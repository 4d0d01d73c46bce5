"""When backups run and who hears of it: the job, its schedule, and the sensors."""

import dagster as dg

from onyx_pipelines.backup import offsite_copies
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.errors import AlreadyRunningError, OnyxError
from onyx_pipelines.core.names import EXCLUSIVE_TAGS, Asset, Group, Job, Tag, run_tags
from onyx_pipelines.core.settings import Settings, VolumeSettings
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.scheduled import schedule_of
from onyx_pipelines.orchestration.stacks import request_of
from onyx_pipelines.sources.volumes import restart_journalled

_TAGS = run_tags(max_runtime_h=6)

nightly_backup = dg.define_asset_job(
    Job.BACKUP,
    selection=dg.AssetSelection.groups(Group.BACKUP),
    description="All components, sealed into one set, verified, copied and pruned (AC9.3.1).",
    tags=_TAGS,
)

offsite_catch_up = dg.define_asset_job(
    Job.COPY,
    selection=dg.AssetSelection.assets(Asset.OFFSITE_COPY),
    description="Copies the sets that have no second copy yet.",
    tags=_TAGS,
)

prune_backups = dg.define_asset_job(
    Job.PRUNE,
    selection=dg.AssetSelection.assets(Asset.BACKUP_RETENTION),
    description="Retention alone; dry_run in the launchpad only shows the plan.",
    tags=_TAGS,
)


nightly_backup_schedule = schedule_of(
    Job.BACKUP, "nightly_backup_schedule", "Daily at 02:00 UTC (AC9.3.1)."
)


@dg.sensor(
    job=offsite_catch_up,
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches offsite_catch_up while a set lacks its second copy.",
)
def lagging_offsite_copy(
    context: dg.SensorEvaluationContext, onyx: OnyxSettings
) -> list[dg.RunRequest] | dg.SkipReason:
    # A failed attempt is tried again at the next tick, so the key must not repeat.
    attempt = int(context.cursor or 0) + 1
    requests: list[dg.RunRequest] = []

    def catch_up(settings: Settings) -> str:
        stack = onyx.partition_of(settings)
        found = _pending(context.instance, settings, stack)
        if isinstance(found, dg.SkipReason):
            return found.skip_message or ""
        requests.append(request_of(stack, dg.RunRequest(run_key=f"{found}-{attempt}")))
        return "A set lacks its second copy."

    said = onyx.in_each(catch_up)
    if not requests:
        return dg.SkipReason(said.text)
    context.update_cursor(str(attempt))
    return requests


def _pending(instance: dg.DagsterInstance, settings: Settings, stack: str) -> str | dg.SkipReason:
    """The newest set that lacks its copy, or why there is nothing to copy now."""
    if not settings.has_copies:
        return dg.SkipReason("No second store is configured.")
    if _unfinished_run(instance, stack):
        return dg.SkipReason("A backup or a copy is under way; it copies what is pending.")
    try:
        pending = offsite_copies.pending_copies(open_host(settings))
    except OnyxError as error:
        return dg.SkipReason(f"Cannot tell what is pending: {error}")
    return pending[0] if pending else dg.SkipReason("Every set has its second copy.")


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the containers that a killed backup left stopped; the next backup would"
    " do it a day later.",
)
def stopped_containers(onyx: OnyxSettings) -> dg.SkipReason:
    return dg.SkipReason(onyx.in_each(_start_stopped).text)


def _start_stopped(settings: VolumeSettings) -> str:
    try:
        started = restart_journalled(settings)
    except AlreadyRunningError:
        return "A backup is under way; it starts them itself."
    if not started:
        return "No container was left stopped."
    return f"Started {', '.join(started)}, which a killed backup had left stopped."


def _unfinished_run(instance: dg.DagsterInstance, stack: str) -> bool:
    statuses = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=statuses, tags={**EXCLUSIVE_TAGS, **({Tag.STACK: stack} if stack else {})}
        ),
        limit=1,
    )
    return bool(records)


JOBS = (nightly_backup, offsite_catch_up, prune_backups)
SCHEDULES = (nightly_backup_schedule,)
SENSORS = (lagging_offsite_copy, stopped_containers)
