"""Every failed run is an event, every scheduled run a check-in; read from Dagster's storage, so
that one that was killed or never started is told, too."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import dagster as dg

from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.schedules import expected
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.errors.failed_runs import (
    CheckIn,
    FailedRun,
    Failure,
    check_in_of,
    event_of,
)
from onyx_pipelines.errors.reporting import Reporter
from onyx_pipelines.errors.system import System
from onyx_pipelines.orchestration.endings import ending_of
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.watching import Seen, look, runs_of, tell_once, watch_from_text

SERVICE = "onyx-dagster"
_LONGEST_S = 6 * 3600.0  # of a job that has no limit of its own
_DECIDED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE})
_STATUS: dict[dg.DagsterRunStatus, CheckIn] = {dg.DagsterRunStatus.SUCCESS: "ok"}

_log = logger("sensors")


@cache
def _system() -> System:
    """Of this process, which is asked again and again."""
    return System(SERVICE, "")


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports every failed run to the error tracker (ONYX_SENTRY_DSN), checks scheduled"
    " runs in with its monitors, and delivers what waits in the spool.",
)
def error_reports(context: dg.SensorEvaluationContext, onyx: OnyxSettings) -> dg.SkipReason:
    now = datetime.now(UTC)
    watch = watch_from_text(context.cursor, now)
    reporters = {
        settings.stack: Reporter(settings, _system())
        for settings in onyx.concerned("")
        if settings.sentry_dsn.get_secret_value()
    }
    if not reporters:
        return dg.SkipReason("ONYX_SENTRY_DSN is not set.")

    def tell(each: Seen) -> None:
        for settings in onyx.concerned(each.stack):
            reporter = reporters.get(settings.stack)
            if reporter is not None:
                _report(context.instance, each, settings, reporter)

    seen = look(context.instance, watch, runs_of(context, onyx.stacks))
    after, errors = tell_once(watch, seen, tell, now)
    context.update_cursor(after.as_text())
    if errors:
        _log.error("%d runs could not be reported and are tried again: %s", len(errors), errors[0])
    delivered = sum(each.deliver() for each in reporters.values())
    return dg.SkipReason(f"{delivered} events delivered.")


def _report(
    instance: dg.DagsterInstance, seen: Seen, settings: Settings, reporter: Reporter
) -> None:
    if seen.run is None:
        return  # nobody knows how it ended; people are told
    record = instance.get_run_record_by_id(seen.run_id)
    began, ended = (record.start_time, record.end_time) if record else (None, None)
    ending = ending_of(instance, seen.run) if seen.is_over else None
    schedule = expected(settings).get(seen.job)
    if schedule is not None and (ending is None or ending.status in _DECIDED):
        reporter.check_in(
            check_in_of(
                seen.job,
                seen.run_id,
                _STATUS.get(ending.status, "error") if ending else "in_progress",
                schedule,
                settings,
                longest_s=float(seen.run.tags.get(Tag.MAX_RUNTIME, _LONGEST_S)),
                took_s=ended - began if began and ended else None,
            )
        )
    if ending is not None and ending.status is dg.DagsterRunStatus.FAILURE:
        at = datetime.fromtimestamp(ended, UTC) if ended else datetime.now(UTC)
        failed = _failed(instance, seen, ending.why, at)
        base = settings.dagster_public_url.rstrip("/")
        url = f"{base}/runs/{seen.run_id}" if base else ""
        reporter.event(event_of(failed, settings, url), seen.run_id)


def _failed(instance: dg.DagsterInstance, seen: Seen, why: str, ended_at: datetime) -> FailedRun:
    """What Dagster keeps of it."""
    found = FailedRun(seen.run_id, seen.job, why, ended_at, stack=seen.stack)
    for event in _events(instance, seen.run_id, dg.DagsterEventType.STEP_FAILURE):
        data = event.step_failure_data
        remedy = data.user_failure_data and data.user_failure_data.metadata.get("remedy")
        return replace(
            found,
            step=event.step_key or "",
            assets=tuple(_assets(instance, seen.run_id, event.step_key or "")),
            remedy=str(remedy.value) if remedy else "",
            failure=_failure(data.error),
        )
    return found


def _assets(instance: dg.DagsterInstance, run_id: str, step: str) -> Iterator[str]:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    for event in _events(instance, run_id, kind):
        if event.step_key == step and event.asset_key is not None:
            yield event.asset_key.to_user_string()


def _events(
    instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType
) -> Iterator[dg.DagsterEvent]:
    for each in instance.get_records_for_run(run_id, of_type=kind, ascending=True).records:
        if each.event_log_entry.dagster_event is not None:
            yield each.event_log_entry.dagster_event


def _failure(error: object) -> Failure | None:
    """From Dagster's serialized one, whose message begins with the type and ends with a line."""
    if error is None:
        return None
    kind = str(getattr(error, "cls_name", None) or "Error")
    message = str(getattr(error, "message", "")).strip()
    head, separator, rest = message.partition(": ")
    return Failure(
        type=kind,
        message=rest if separator and head.endswith(kind) else message,
        stack="".join(getattr(error, "stack", None) or ()),
        cause=_failure(getattr(error, "cause", None)),
    )
