"""Runs that a person launched, in the audit trail: when they were launched, and how they ended.

A sensor reads them from Dagster's own storage, so that a run that was killed is there as well.
"""

from collections.abc import Set
from datetime import UTC, datetime, timedelta

import dagster as dg

from onyx_pipelines.audit import Origin, Outcome, Phase, Result, Trail, copy_in_time, origin_of_run
from onyx_pipelines.audit.operation import record
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.orchestration.endings import ending_of
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.stacks import stack_of

ACTION = "dagster.run"

# The storage's times are those of several processes: look back a little. Nothing is written twice.
_OVERLAP = timedelta(minutes=2)
_FIRST_LOOK_BACK = timedelta(days=1)
_RESULTS = {
    dg.DagsterRunStatus.SUCCESS: Outcome.OK,
    dg.DagsterRunStatus.FAILURE: Outcome.FAILED,
    dg.DagsterRunStatus.CANCELED: Outcome.FAILED,
}


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes runs that a person launched (in the UI, by the API, by hand) into the audit"
    " trail: `onyx audit show`.",
)
def audit_of_manual_runs(context: dg.SensorEvaluationContext, onyx: OnyxSettings) -> dg.SkipReason:
    now = datetime.now(UTC)
    since = _since(context.cursor, now)

    def write(settings: Settings) -> str:
        written = audit_runs(context.instance, settings, since, onyx.partition_of(settings))
        return f"{written} records written."

    said = onyx.in_each(write)
    # After the records: a tick that fails is repeated.
    if not said.failed:
        context.update_cursor(now.isoformat())
    return dg.SkipReason(said.text)


def _since(cursor: str | None, now: datetime) -> datetime:
    """From the last look on; a clock that went back hides nothing."""
    try:
        return min(datetime.fromisoformat(cursor or ""), now) - _OVERLAP
    except (ValueError, TypeError):
        return now - _FIRST_LOOK_BACK


def audit_runs(
    instance: dg.DagsterInstance, settings: Settings, since: datetime, stack: str = ""
) -> int:
    """Write what the trail lacks of the manual runs that changed after `since`.

    Args:
        stack: whose runs, where there are several; one that names none is everybody's.

    Returns how many records were written.

    Raises:
        AuditError: the trail cannot be read or written.
    """
    changed = instance.get_run_records(
        dg.RunsFilter(updated_after=since), order_by="update_timestamp", ascending=True
    )
    manual = [
        each
        for each in changed
        if stack_of(each.dagster_run) in ("", stack)
        and not origin_of_run(each.dagster_run.tags).automatic
    ]
    if not manual:
        return 0
    known = {(each.operation, each.phase) for each in Trail.of(settings).records()}
    written = sum(_write(instance, settings, each, known) for each in manual)
    if written:
        copy_in_time(settings)
    return written


def _write(
    instance: dg.DagsterInstance,
    settings: Settings,
    run_record: dg.RunRecord,
    known: Set[tuple[str, Phase]],
) -> int:
    run = run_record.dagster_run
    origin = origin_of_run(run.tags)
    written = 0
    if (run.run_id, Phase.BEGIN) not in known:
        parameters = {
            "job": run.job_name,
            "launched_at": run_record.create_timestamp.replace(tzinfo=UTC),
            "assets": sorted(key.to_user_string() for key in run.asset_selection or ()),
            "config": run.run_config,
            "repeats": run.parent_run_id,
        }
        _record(settings, run, origin, Phase.BEGIN, parameters=parameters)
        written += 1
    if run.status in _RESULTS and (run.run_id, Phase.END) not in known:
        _record(settings, run, origin, Phase.END, result=_result(instance, run))
        written += 1
    return written


def _record(
    settings: Settings,
    run: dg.DagsterRun,
    origin: Origin,
    phase: Phase,
    *,
    parameters: dict[str, object] | None = None,
    result: Result | None = None,
) -> None:
    record(
        settings,
        operation=run.run_id,
        phase=phase,
        action=ACTION,
        origin=origin,
        parameters=parameters,
        backup_id=run.tags.get(Tag.BACKUP_ID),
        result=result,
    )


def _result(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Result:
    outcome, why = _RESULTS[run.status], ending_of(instance, run).why
    if why.startswith("already_running"):
        outcome = Outcome.REFUSED
    return Result(outcome=outcome, verdict=run.status.value.lower(), detail=why)
