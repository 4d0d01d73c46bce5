"""Could we lose this machine now? From this product's exporter: Dagster need not run for it."""

from __future__ import annotations

from datetime import timedelta

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.metrics import AGE, DRILL_MAX_AGE
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity


def backups(thresholds: Thresholds) -> list[Group]:
    """Failed, missing, stale, untrusted; copied; proved."""
    return [Group("onyx-backups", [*_sets(thresholds), *_faults(), *_proof(thresholds)])]


def _alert(
    name: str, expr: str, hold: str, severity: Severity, summary: str, description: str
) -> Alert:
    return Alert(
        name,
        expr,
        hold,
        severity,
        Playbook.SYNC_FAILURE,
        Board.OVERVIEW,
        summary,
        description,
        service="backups",
    )


def _seconds(age: timedelta) -> str:
    return f"{age.total_seconds():.0f}"


def _sets(thresholds: Thresholds) -> list[Alert]:
    newest = "onyx_backup_last_success_timestamp_seconds"
    return [
        _alert(
            "BackupStale",
            f"time() - {newest} > {_seconds(thresholds.backup_age)}",
            "5m",
            Severity.CRITICAL,
            "There is no recent backup",
            "The newest set is {{ $value | humanizeDuration }} old. See the last run of"
            " `backup_job` and the check `overdue_backup`.",
        ),
        _alert(
            "BackupsUnknown",
            # Of each stack: another one that is well must not hide it.
            "onyx_backup_stores_readable < 1 or absent(onyx_backup_stores_readable)"
            f' or {AGE.name}{{job="onyx-pipelines"}} > 600',
            "10m",
            Severity.CRITICAL,
            "Nothing says whether there are backups",
            "The exporter does not answer, or has seen nothing new for long, or a store cannot be"
            " read: `onyx doctor`.",
        ),
        _alert(
            "OffsiteCopyBehind",
            f"onyx_offsite_lag_seconds > {_seconds(thresholds.backup_age)}",
            "5m",
            Severity.CRITICAL,
            "The second store has no recent backup",
            "Its newest set is {{ $value | humanizeDuration }} older than the newest of all.",
        ),
    ]


def _faults() -> list[Alert]:
    return [
        _alert(
            "BackupUntrusted",
            "onyx_untrusted_sets > 0",
            "1m",
            Severity.CRITICAL,
            "Somebody else's sets are in store {{ $labels.store }}",
            "{{ $value | humanize }} sets have no signature that counts: forged, or of a host whose"
            " key was not added (`onyx keys signers`).",
        ),
        _alert(
            "BackupDamaged",
            "onyx_damaged_sets > 0",
            "1m",
            Severity.CRITICAL,
            "Sets in store {{ $labels.store }} are damaged",
            "{{ $value | humanize }} sets: `onyx verify` names them and their objects.",
        ),
        _alert(
            "MessagesNotDelivered",
            "sum by (stack, channel) (onyx_notifications_pending) > 0",
            "30m",
            Severity.WARNING,
            "Messages by {{ $labels.channel }} do not arrive",
            "{{ $value | humanize }} have waited for half an hour.",
        ),
    ]


def _proof(thresholds: Thresholds) -> list[Alert]:
    drill = "onyx_restore_drill_last_success_timestamp_seconds"
    verified = "onyx_backup_last_verified_timestamp_seconds"
    return [
        _alert(
            "DrillStale",
            f"time() - {drill} > {DRILL_MAX_AGE.name}",
            "15m",
            Severity.WARNING,
            "Nobody has proved that the backups can be restored",
            "The last drill that passed was {{ $value | humanizeDuration }} ago.",
        ),
        _alert(
            "DrillFailed",
            "onyx_restore_drill_failed == 1",
            "1m",
            Severity.CRITICAL,
            "The newest restore drill failed",
            "What would come back is not what was there: see the drill's report.",
        ),
        _alert(
            "BackupUnverified",
            f"time() - {verified} > {_seconds(thresholds.verified_age)}",
            "15m",
            Severity.WARNING,
            "No set has been read back for long",
            "The last time was {{ $value | humanizeDuration }} ago: see `verify_backups`.",
        ),
    ]
