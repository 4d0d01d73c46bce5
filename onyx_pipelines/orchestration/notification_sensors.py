"""Runs told to people: begun, failed, cancelled, succeeded, recovered; a backup that did not come;
and what is undelivered."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import dagster as dg

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.names import Asset, Job, Tag
from onyx_pipelines.core.settings import (
    HostSettings,
    KeySettings,
    NotificationSettings,
    Settings,
    VaultSettings,
)
from onyx_pipelines.core.text import duration_text, limit_text, size_text
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.notify.check_news import CheckNews, KnownChecks, known_after, news_of
from onyx_pipelines.notify.configured import WITH_PLAYBOOK, deliver_pending, keep
from onyx_pipelines.orchestration.endings import checks_of, ending_of, who_cancelled
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.stacks import newest_materialization, stack_of
from onyx_pipelines.orchestration.watching import (
    Seen,
    look,
    runs_of,
    tell_once,
    watch_from_text,
)
from onyx_pipelines.vault.catalog import Catalog, Scan
from onyx_pipelines.vault.set_view import is_ahead, newest
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.trust import Trust

_DECIDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_OUTCOMES = {
    dg.DagsterRunStatus.SUCCESS: Outcome.SUCCEEDED,
    dg.DagsterRunStatus.CANCELED: Outcome.CANCELLED,
}

_log = logger("notify")


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the notification channels of every run that began, succeeded, recovered,"
    " failed or was cancelled, also of one that was killed, never started or was deleted, and of"
    " what happened while the daemon was down.",
)
def run_notification(context: dg.SensorEvaluationContext, onyx: OnyxSettings) -> dg.SkipReason:
    now = datetime.now(UTC)
    watch = watch_from_text(context.cursor, now)
    seen = look(context.instance, watch, runs_of(context, onyx.stacks))

    def tell(each: Seen) -> None:
        for settings in onyx.concerned(each.stack):
            _tell_of(context.instance, each, settings)

    after, errors = tell_once(watch, seen, tell, now)
    context.update_cursor(after.as_text())
    if errors:
        _log.error("%d runs could not be told and are tried again: %s", len(errors), errors[0])
        return dg.SkipReason(f"{len(errors)} runs could not be told: {errors[0]}")
    return dg.SkipReason(onyx.in_each(_delivered).text)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Delivers what a channel did not take before, and tells once that a backup is"
    " overdue (ONYX_BACKUP_MAX_AGE_HOURS).",
)
def notification_delivery(context: dg.SensorEvaluationContext, onyx: OnyxSettings) -> dg.SkipReason:
    told = _told_overdue(context.cursor)

    def tell(settings: Settings) -> str:
        stack = onyx.partition_of(settings)
        scans = _scans(settings)
        # Where no store answers the checks fail, which is told by itself.
        if scans:
            overdue = _overdue(settings, scans, datetime.now(UTC))
            if overdue is not None and told.get(stack) != overdue.run_id:
                keep(settings, overdue)
            told[stack] = overdue.run_id if overdue else ""
        return _delivered(settings, "Nothing to deliver.")

    said = onyx.in_each(tell)
    context.update_cursor(json.dumps(told))
    return dg.SkipReason(said.text)


def _delivered(settings: NotificationSettings, nothing: str = "0 messages delivered.") -> str:
    sent = deliver_pending(settings)
    return f"{sent} messages delivered." if sent else nothing


def _told_overdue(cursor: str | None) -> dict[str, str]:
    """Of each stack the set that was told to be too old; an earlier version kept that of its only
    stack as it is."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        found = cursor
    return found if isinstance(found, dict) else {"": cursor or ""}


def overdue_backup(settings: Settings, now: datetime) -> Event | None:
    """The newest set that counts is too old, or none does. Its id stands for the run: it is told
    once for each time. A store that does not answer hides what the other one lacks from nobody."""
    scans = _scans(settings)
    return _overdue(settings, scans, now) if scans else None


def _overdue(settings: Settings, scans: Sequence[Scan], now: datetime) -> Event | None:
    untrusted = [each.backup_id for scan in scans for each in scan.untrusted]
    latest = newest((view for scan in scans for view in scan.sets), now)
    allowed = timedelta(hours=settings.backup_max_age_hours)
    if latest is None and untrusted:
        return _missed(settings, untrusted[0], _NONE_COUNTS)
    if latest is None:
        return _missed(settings, "none", _NONE_AT_ALL) if _age(settings, now) > allowed else None
    if is_ahead(latest.timestamp, now):
        return _missed(settings, latest.backup_id, "Every set is dated in the future.")
    age = now - latest.timestamp
    if age <= allowed:
        return None
    said = (
        f"The newest set is {duration_text(age.total_seconds())} old; at most"
        f" {limit_text(allowed.total_seconds())} are allowed."
    )
    return _missed(settings, latest.backup_id, said)


_NONE_COUNTS = "There are sets, and none of them is signed by a signer that counts."
_NONE_AT_ALL = "There is no backup set in any store that answers. Is the right disk mounted?"


def _scans(settings: VaultSettings) -> list[Scan]:
    """Of each store that answers."""
    found = []
    try:
        stores, trust = open_stores(settings), Trust.of(settings)
    except OnyxError:
        return []
    for store in stores:
        with suppress(OnyxError):  # metrics and checks tell of it
            found.append(Catalog([store], trust).scan())
    return found


def _age(settings: KeySettings, now: datetime) -> timedelta:
    """Since when this host could have made backups: since it has somebody to seal them to."""
    try:
        made_at = settings.recipients_file.stat().st_mtime
    except OSError:
        return timedelta(0)
    return now - datetime.fromtimestamp(made_at, UTC)


def _missed(settings: NotificationSettings, backup_id: str, said: str) -> Event:
    return Event(
        outcome=Outcome.MISSED,
        subject="No backup in time",
        run_id=backup_id,
        job=Job.BACKUP,
        summary=said,
        details={"newest set": backup_id},
        playbook=settings.playbook_url,
    )


def _tell_of(instance: dg.DagsterInstance, seen: Seen, settings: Settings) -> None:
    """Raises OSError: it could not be stored for its channels."""
    if seen.has_begun and not seen.start_is_told:
        keep(settings, _event(seen, settings, Outcome.STARTED, "It began."))
    if not seen.is_over:
        return
    checks = KnownChecks(settings.state_dir)
    known, now = checks.of(seen.job), datetime.now(UTC)
    news = CheckNews()
    try:
        if seen.run and seen.run.status is dg.DagsterRunStatus.SUCCESS:
            news = news_of(checks_of(instance, seen.run), known, now)
        events = _ending_events(instance, seen, settings, news)
    except Exception as error:  # noqa: BLE001  (whatever a run's record lacks, its end is told)
        _log.exception("The record of run %s could not be read.", seen.run_id)
        events, news = [_what_is_known(seen, settings, error)], CheckNews()
    taken = {event.outcome for event in events if keep(settings, event)}
    checks.put(seen.job, known_after(news, known, now, was_told=Outcome.WARNED in taken))


def _ending_events(
    instance: dg.DagsterInstance, seen: Seen, settings: NotificationSettings, news: CheckNews
) -> list[Event]:
    """What people are told of a run that is over.

    Args:
        news: of the checks of a run that succeeded.
    """
    run = seen.run
    if run is None:
        said = "Its run was deleted from Dagster before it was known how it ended."
        return [_event(seen, settings, Outcome.FAILED, said)]
    ending = ending_of(instance, run)
    outcome = _OUTCOMES.get(ending.status, Outcome.FAILED)
    if outcome is Outcome.CANCELLED:
        by = who_cancelled(settings, run.run_id)
        return [_event(seen, settings, outcome, ending.why, {"cancelled by": by} if by else {})]
    if outcome is Outcome.FAILED:
        return [_event(seen, settings, outcome, ending.why)]
    warned = "\n".join(each.sentence for each in news.told)
    warnings = [_event(seen, settings, Outcome.WARNED, warned)] if warned else []
    mended = _mended(instance, run, news)
    outcome = Outcome.RECOVERED if mended else Outcome.SUCCEEDED
    said = "\n".join([*mended, *_as_it_is(news)]) or "All went well."
    return [_event(seen, settings, outcome, said, _figures(instance, run)), *warnings]


def _mended(instance: dg.DagsterInstance, run: dg.DagsterRun, news: CheckNews) -> list[str]:
    said = []
    if _failed_before(instance, run):
        said.append("It had failed before; this run succeeded.")
    if news.holds_again:
        said.append(f"These checks hold again: {', '.join(news.holds_again)}.")
    return said


def _as_it_is(news: CheckNews) -> list[str]:
    if not (news.told or news.known):
        return []
    known = [f"As before: {each.sentence}" for each in news.known]
    return ["It succeeded, but not every check holds.", *known]


def _what_is_known(seen: Seen, settings: NotificationSettings, error: Exception) -> Event:
    status = seen.run.status if seen.run else None
    outcome = _OUTCOMES.get(status, Outcome.FAILED) if status else Outcome.FAILED
    said = (
        f"Dagster calls the run {status.value if status else 'deleted'}; why is not known, its"
        f" record could not be read ({type(error).__name__})."
    )
    return _event(seen, settings, outcome, said)


def _event(
    seen: Seen,
    settings: NotificationSettings,
    outcome: Outcome,
    summary: str,
    details: Mapping[str, str | int | float] = MappingProxyType({}),
) -> Event:
    base = settings.dagster_public_url.rstrip("/")
    return Event(
        outcome=outcome,
        subject=f"{seen.job} {outcome.value}",
        run_id=seen.run_id,
        job=seen.job,
        summary=summary,
        details={**_details(seen, settings), **details},
        links={"run": f"{base}/runs/{seen.run_id}"} if base and seen.run else {},
        playbook=settings.playbook_url if outcome in WITH_PLAYBOOK else "",
    )


def _details(seen: Seen, settings: HostSettings) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {"host": settings.host_name or "this host"}
    if seen.run and seen.job == Job.BACKUP:
        found["set"] = seen.run.tags.get(Tag.BACKUP_ID) or seen.run.root_run_id or seen.run_id
    return found


def _failed_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    stack = {Tag.STACK: stack_of(run)} if stack_of(run) else {}
    records = instance.get_run_records(
        dg.RunsFilter(job_name=run.job_name, statuses=_DECIDED, tags=stack), limit=10
    )
    ids = [record.dagster_run.run_id for record in records]
    if run.run_id not in ids or ids.index(run.run_id) + 1 >= len(ids):
        return False
    before = records[ids.index(run.run_id) + 1]
    return before.dagster_run.status == dg.DagsterRunStatus.FAILURE


def _figures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str | int | float]:
    """How long it took, and the size of the set that it made."""
    found: dict[str, str | int | float] = {}
    stats = instance.get_run_stats(run.run_id)
    if stats.start_time and stats.end_time:
        found["took"] = duration_text(stats.end_time - stats.start_time)
    event = newest_materialization(instance, Asset.BACKUP_SET, stack_of(run))
    made = event.asset_materialization if event and event.run_id == run.run_id else None
    for name in ("sealed_bytes", "plain_bytes"):
        entry = made.metadata.get(name) if made else None
        if entry is not None and isinstance(entry.value, int):
            found[name.replace("_bytes", " size")] = size_text(entry.value)
    return found
