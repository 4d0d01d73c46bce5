"""When sets are drilled: monthly, after each backup, and at once after a version change."""

import dagster as dg

from onyx_pipelines.core.names import BACKUP_ASSETS, DRILL_ASSETS, Asset, Group, Job, Tag, run_tags
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.scheduled import schedule_of
from onyx_pipelines.orchestration.stacks import newest_materialization, request_of
from onyx_pipelines.sources.source import Component

restore_drill = dg.define_asset_job(
    Job.DRILL,
    selection=dg.AssetSelection.groups(Group.RESTORE),
    description="Restores a set into scratch, compares it exactly, measures it, throws it away"
    " (AC9.4.1). Choose set and store in the launchpad.",
    tags=run_tags(max_runtime_h=6),
)


monthly_restore_drill = schedule_of(
    Job.DRILL, "monthly_restore_drill", "On the 1st of each month at 04:00 UTC (AC9.4.1)."
)


@dg.asset_sensor(
    asset_key=dg.AssetKey(Asset.OFFSITE_COPY),
    job=restore_drill,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Drills each new set once it is copied (ONYX_DRILL_EVERY_BACKUP), and in any case"
    " when PostgreSQL's or Qdrant's version is not the one of the last drill.",
)
def drill_new_set(
    context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry, onyx: OnyxSettings
) -> list[dg.RunRequest] | dg.SkipReason:
    requests: list[dg.RunRequest] = []

    def drill(settings: Settings) -> str:
        # Of several stacks' events Dagster gives the newest only. Each that has one is asked for:
        # a key that was launched before is not launched again.
        stack = onyx.partition_of(settings)
        made = newest_materialization(context.instance, Asset.OFFSITE_COPY, stack)
        if stack and made is None:
            return "It has no set yet."
        changed = _changed_versions(context.instance, stack)
        if not settings.drill_every_backup and not changed:
            return "ONYX_DRILL_EVERY_BACKUP is off, and no version changed."
        tags = {Tag.REASON: f"version changed: {', '.join(changed)}" if changed else "new set"}
        run_id = made.run_id if stack and made else asset_event.run_id
        requests.append(request_of(stack, dg.RunRequest(run_key=run_id, tags=tags)))
        return "It has a new set."

    said = onyx.in_each(drill)
    return requests or dg.SkipReason(said.text)


def _changed_versions(instance: dg.DagsterInstance, stack: str) -> list[str]:
    """Servers whose version in the newest backup is another one than in the last drill."""
    changed = []
    for server in (Component.POSTGRESQL, Component.QDRANT):
        now = _version(instance, BACKUP_ASSETS[server], server, stack)
        before = _version(instance, DRILL_ASSETS[server], server, stack)
        if now and before and now != before:
            changed.append(f"{server} {before} → {now}")
    return changed


def _version(instance: dg.DagsterInstance, asset: str, server: str, stack: str) -> str:
    event = newest_materialization(instance, asset, stack)
    materialization = event.asset_materialization if event else None
    entry = materialization.metadata.get(f"version/{server}") if materialization else None
    return str(entry.value) if entry else ""


JOBS = (restore_drill,)
SCHEDULES = (monthly_restore_drill,)
SENSORS = (drill_new_set,)
