"""What this product has written down: marks at sets, reports, baselines, the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.audit.verification import Verdict as TrailVerdict
from onyx_pipelines.audit.verification import verify_trail
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import count_text, day_text, duration_text, limit_text, list_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.errors.digest import newest_day, window_of
from onyx_pipelines.errors.digest_sending import sent_answer
from onyx_pipelines.errors.recorded_changes import recorded_changes
from onyx_pipelines.errors.round_trip import round_trip
from onyx_pipelines.errors.what_changed import ChangeKind
from onyx_pipelines.load_test.baselines import BaselineStore
from onyx_pipelines.monitoring.rendering import rendered_for
from onyx_pipelines.monitoring.self_test import self_test
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.readiness.launch.facts import SeenRecord
from onyx_pipelines.readiness.launch.verification import OfRecord, Record
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook, newest_of_each
from onyx_pipelines.readiness.rehearsals.promises import rehearsed_answer
from onyx_pipelines.restore.report.history import read_history
from onyx_pipelines.sources.volumes.recipe import RECIPE
from onyx_pipelines.vault.catalog import Scan
from onyx_pipelines.vault.set_view import newest

_STORES: Final = 2
# From 09:00 on, until the run has begun and everybody has it.
_DIGEST_TAKES: Final = timedelta(minutes=30)


@dataclass(frozen=True)
class _Here:
    """`scan`: gives what the stores hold."""

    settings: Settings
    scan: Callable[[], Scan]
    now: datetime


def record(settings: Settings, asked: OfRecord, scan: Callable[[], Scan]) -> SeenRecord:
    """What is written down. Raises OnyxError.

    Args:
        scan: gives what the stores hold.
    """
    return _RECORDS[asked.of](_Here(settings, scan, datetime.now(UTC)))


def _nightly_backup(here: _Here) -> SeenRecord:
    last = LastRuns(here.settings.state_dir).of(Job.BACKUP)
    if last is None:
        return _nothing(
            "No backup has run yet.", "Start Dagster's daemon, or run `onyx backup run`."
        )
    said = f"The last run of {Job.BACKUP} {last.outcome}."
    return SeenRecord(ok=last.succeeded_at == last.at, said=said, at=last.at)


def _two_stores_verified(here: _Here) -> SeenRecord:
    """Of the newest set that was: when its bytes were found right in the second of two stores."""
    views = here.scan().sets
    found = []
    for view in views:
        checks = (copy.marks.verified for copy in view.copies if copy.is_whole)
        passed = sorted(c.last_passed_at for c in checks if c and c.passed and c.last_passed_at)
        if len(passed) >= _STORES:
            found.append((passed[-_STORES], view))
    if not found:
        return _nothing(
            "No set was read back in two stores.", "Run `onyx verify latest --store NAME` for each."
        )
    at, view = max(found, key=lambda pair: pair[0])
    said = f"Set {view.backup_id} was found whole in {list_text(sorted(view.stores))}."
    return SeenRecord(ok=True, said=said, at=at)


def _stack_recipe(here: _Here) -> SeenRecord:
    view = newest(here.scan().sets, here.now)
    if view is None:
        return _nothing("There is no backup.", "Run `onyx backup run`.")
    there = any(each.name == RECIPE for each in view.manifest.objects)
    said = f"Set {view.backup_id} {'has' if there else 'lacks'} what the stack is made from."
    more = "" if there else " Name its Compose files in ONYX_RECIPE."
    return SeenRecord(ok=there, said=said + more, at=view.timestamp)


def _recovery_time(here: _Here) -> SeenRecord:
    drills = read_history(here.settings.reports_dir).drills
    last = next((each for each in drills if each.recovery_is_measured), None)
    if last is None:
        return _nothing("No drill has measured how long a restore takes.", "Run `onyx drill`.")
    limit = limit_text(last.objective_s)
    said = f"A restore takes {duration_text(last.recovery_s)}, of at most {limit}."
    return SeenRecord(ok=last.within_objective, said=said, at=last.finished_at)


def _load_baseline(here: _Here) -> SeenRecord:
    try:
        found = BaselineStore(here.settings.state_dir).all()
    except ValidationError:
        return _nothing("The baselines cannot be read.", "See `onyx load-test baseline list`.")
    if not found:
        return _nothing(
            "No load test is the baseline that later ones are compared with.",
            "Run `onyx load-test baseline promote`.",
        )
    said = f"{found[0].promoted_by} promoted one on {day_text(found[0].promoted_at)}."
    return SeenRecord(ok=True, said=said, at=found[0].promoted_at)


def _rules_tested(here: _Here) -> SeenRecord:
    judged = self_test(rendered_for(here.settings), here.settings.alert_thresholds)
    odd = [each for each in judged if each.verdict is not Verdict.PASSED]
    said = odd[0].text if odd else "Prometheus and Alertmanager accept it, and alerts fire as set."
    return SeenRecord(ok=_ok(worst(each.verdict for each in judged)), said=said)


def _error_arrives(here: _Here) -> SeenRecord:
    verdict, said = round_trip(here.settings) or (
        Verdict.COULD_NOT_VERIFY,
        "Errors are reported nowhere. Set ONYX_SENTRY_DSN.",
    )
    return SeenRecord(ok=_ok(verdict), said=said)


def _digest_sent(here: _Here) -> SeenRecord:
    if not here.settings.error_tracker_url:
        return _nothing("No tracker is asked for a digest.", "Set ONYX_ERROR_TRACKER_URL.")
    day = newest_day(here.now - _DIGEST_TAKES)
    verdict, said = sent_answer(here.settings, day)
    return SeenRecord(ok=_ok(verdict), said=f"Digest of {day}: {said}", at=window_of(day).end)


def _audit_trail(here: _Here) -> SeenRecord:
    opened = open_host(here.settings)
    found = verify_trail(Trail.of(here.settings), opened.stores, opened.trust.signers)
    if found.problems:
        return SeenRecord(ok=False, said=f"{found.problems[0].what}. See `onyx audit verify`.")
    if found.verdict is TrailVerdict.INCOMPLETE:
        return _nothing(f"Not asked: {list_text(list(found.unasked))}.", "See `onyx audit verify`.")
    count = count_text(found.trails[0].records, "record")
    return SeenRecord(ok=True, said=f"{count}, as they were written, here and in every store.")


def _release_noted(here: _Here) -> SeenRecord:
    noted, _ = recorded_changes(here.settings, (), here.now)
    releases = [each for each in noted if each.kind is ChangeKind.RELEASE]
    if not releases:
        return _nothing("No deployment is noted.", "Run `onyx errors deployed RELEASE`.")
    last = max(releases, key=lambda each: each.at)
    return SeenRecord(ok=True, said=f"{last.said}.", at=last.at)


def _rehearsals(here: _Here) -> SeenRecord:
    """As old as the oldest of the newest of each."""
    newest_each = newest_of_each(RehearsalBook(here.settings.state_dir).all())
    max_age = timedelta(days=here.settings.rehearsal_max_age_days)
    verdict, said = rehearsed_answer(newest_each, here.now, max_age)
    more = "" if verdict is Verdict.PASSED else " Run `onyx rehearse --all`."
    at = min((each.struck_at for each in newest_each.values()), default=None)
    return SeenRecord(ok=_ok(verdict), said=said + more, at=at)


def _ok(verdict: Verdict) -> bool | None:
    return None if verdict is Verdict.COULD_NOT_VERIFY else verdict is Verdict.PASSED


def _nothing(what: str, remedy: str) -> SeenRecord:
    return SeenRecord(ok=None, said=f"{what} {remedy}")


_RECORDS: Final[dict[Record, Callable[[_Here], SeenRecord]]] = {
    Record.NIGHTLY_BACKUP: _nightly_backup,
    Record.TWO_STORES_VERIFIED: _two_stores_verified,
    Record.STACK_RECIPE: _stack_recipe,
    Record.RECOVERY_TIME: _recovery_time,
    Record.LOAD_BASELINE: _load_baseline,
    Record.RULES_TESTED: _rules_tested,
    Record.ERROR_ARRIVES: _error_arrives,
    Record.DIGEST_SENT: _digest_sent,
    Record.AUDIT_TRAIL: _audit_trail,
    Record.RELEASE_NOTED: _release_noted,
    Record.REHEARSALS: _rehearsals,
}
