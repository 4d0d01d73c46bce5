"""Asks the stores, the newest reports and Prometheus, and judges what cannot be asked unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import DrillSettings, LoadTestSettings, Settings, StoreSettings
from onyx_pipelines.errors.digest import newest_day, window_of
from onyx_pipelines.errors.digest_sending import sent_answer
from onyx_pipelines.errors.promises import waits_too_long
from onyx_pipelines.errors.rate import error_rates, rate_answer
from onyx_pipelines.errors.spool import spool_status
from onyx_pipelines.errors.trackers.tracker import Window
from onyx_pipelines.health import areas
from onyx_pipelines.health.areas import BackupFacts, DrillFacts, ErrorFacts, LoadFacts
from onyx_pipelines.health.verdict import Area, Finding, StackHealth
from onyx_pipelines.load_test.results import ChangeKind, LoadTestResult
from onyx_pipelines.monitoring.coverage import coverage
from onyx_pipelines.monitoring.prometheus import Prometheus, PrometheusError
from onyx_pipelines.vault.catalog import Scan
from onyx_pipelines.vault.copying import lag
from onyx_pipelines.vault.set_view import SetView, is_ahead

# Somebody waits for the answer, or scrapes it.
_LIMIT_S: Final = 3.0
# Of load tests, beyond their interval: for whoever was away.
_GRACE: Final = timedelta(days=4)
# From 09:00 on, until the run has begun and everybody has it.
_DIGEST_TAKES: Final = timedelta(minutes=30)


def examine(
    settings: Settings, scan: Callable[[], Scan] | None = None, now: datetime | None = None
) -> StackHealth:
    """Of this host's stack. Raises nothing that is only a part's trouble.

    Args:
        scan: gives what the stores hold; None: they are asked.
    """
    now = now or datetime.now(UTC)
    prometheus = Prometheus(settings, limit_s=_LIMIT_S)
    looked: list[Finding] = []
    try:
        stored = scan() if scan else open_host(settings).catalog.scan()
    except OnyxError as error:
        said = "The stores cannot be read."
        looked += [
            areas.not_known(area, said, details=str(error), action="onyx doctor")
            for area in (Area.BACKUPS, Area.DRILLS)
        ]
    else:
        looked += [_backups(settings, stored, now), _drills(settings, stored.sets, now)]
    looked.append(_load_tests(settings, now))
    looked.append(_asked(prometheus, Area.SCRAPING, lambda: _scraping(prometheus, now)))
    looked.append(_asked(prometheus, Area.ALERTS, lambda: areas.alerts(prometheus.alerts(), now)))
    looked.append(_errors(settings, prometheus, now))
    looked.append(areas.not_watched(Area.READINESS, "record of readiness"))
    return StackHealth(settings.stack, now, tuple(looked))


def backup_facts(settings: StoreSettings, stored: Scan, now: datetime) -> BackupFacts:
    """Of what the stores hold. Sets that a wrong clock dated ahead do not count."""
    views = [view for view in stored.sets if not is_ahead(view.timestamp, now)]
    newest = max(views, key=lambda view: view.timestamp, default=None)
    first, *copies = (place.name for place in settings.places)
    behind = [lag(views, now=now, source=first, target=each) for each in copies]
    return BackupFacts(
        newest=newest.timestamp if newest else None,
        lacks=tuple(each.value for each in newest.manifest.missing_components) if newest else (),
        doubts=tuple(each.what for each in newest.manifest.doubts) if newest else (),
        damaged=len(stored.damaged),
        untrusted=len(stored.untrusted),
        behind=max(behind, default=None),
        verified_at=max((v.last_verified_at for v in views if v.last_verified_at), default=None),
    )


def drill_facts(views: Sequence[SetView]) -> DrillFacts:
    """By the marks that drills leave at the sets."""
    marks = [copy.marks.drilled for view in views for copy in view.copies if copy.marks.drilled]
    last = max(marks, key=lambda mark: mark.at, default=None)
    passed = [mark.last_passed_at for mark in marks if mark.last_passed_at]
    return DrillFacts(
        passed_at=max(passed, default=None),
        failed_at=last.at if last and not last.passed else None,
    )


def _backups(settings: Settings, stored: Scan, now: datetime) -> Finding:
    return areas.backups(
        backup_facts(settings, stored, now),
        now,
        max_age=timedelta(hours=settings.backup_max_age_hours),
        verified=settings.alert_thresholds.verified_age,
    )


def _drills(settings: DrillSettings, views: Sequence[SetView], now: datetime) -> Finding:
    max_age = timedelta(days=settings.drill_max_age_days)
    return areas.drills(drill_facts(views), now, max_age=max_age)


def _load_tests(settings: LoadTestSettings, now: datetime) -> Finding:
    target, max_age = settings.load_test_url, settings.load_test_interval + _GRACE
    path = settings.reports_dir / "load-test" / "latest" / "result.json"
    try:
        result = LoadTestResult.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return areas.load_tests(None, now, target=target, max_age=max_age)
    except (OSError, ValidationError) as error:
        return areas.not_known(
            Area.LOAD_TESTS,
            "The newest load test's result cannot be read.",
            details=f"{path}: {type(error).__name__}",
            action="onyx load-test report",
        )
    regressed = [each for each in result.comparison.changes if each.kind is ChangeKind.REGRESSED]
    facts = LoadFacts(result.verdict, result.finished_at, len(regressed))
    return areas.load_tests(facts, now, target=target, max_age=max_age)


def _scraping(prometheus: Prometheus, now: datetime) -> Finding:
    return areas.scraping(coverage(prometheus.targets(), now), now)


def _errors(settings: Settings, prometheus: Prometheus, now: datetime) -> Finding:
    asks = bool(settings.error_tracker_url)
    if not asks and not settings.sentry_dsn.get_secret_value():
        return areas.not_watched(Area.ERRORS, "error tracking")
    window = Window(begin=now - timedelta(hours=1), end=now)
    try:
        rate = rate_answer(error_rates(prometheus, settings.alert_thresholds, window))
    except PrometheusError:
        rate = None
    day = newest_day(now - _DIGEST_TAKES)
    facts = ErrorFacts(
        rate=rate,
        delivery_is_late=waits_too_long(spool_status(settings), now),
        digest=sent_answer(settings, day) if asks else None,
        digest_at=window_of(day).end if asks else None,
    )
    return areas.errors(facts)


def _asked(prometheus: Prometheus, area: Area, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except OnyxError as error:
        said = (
            "Prometheus does not answer."
            if prometheus.is_configured
            else "No Prometheus is configured."
        )
        return areas.not_known(area, said, details=str(error), action="onyx doctor")
