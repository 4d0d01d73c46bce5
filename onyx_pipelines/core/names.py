"""What jobs, assets, ops and tags are called, for all who speak of them: Dagster, the API, the
command line, messages. Bookmarks, plots, ping addresses and run configs of operators hang on them.
"""

from __future__ import annotations

from typing import Final


class Job:
    """What can be launched."""

    BACKUP: Final = "nightly_backup"
    COPY: Final = "offsite_catch_up"
    PRUNE: Final = "prune_backups"
    VERIFY: Final = "verify_backups"
    DRILL: Final = "restore_drill"
    RESTORE: Final = "restore_from_backup"
    LOAD_TEST: Final = "load_test"
    PROMOTE: Final = "promote_load_test_baseline"
    OBSERVE: Final = "observe_stack"
    AVAILABILITY: Final = "daily_availability"
    ERROR_RATE: Final = "hourly_error_rate"
    ERROR_DIGEST: Final = "daily_error_digest"
    LAUNCH_REVIEW: Final = "daily_launch_review"
    REHEARSAL: Final = "incident_rehearsal"
    TRIAGE: Final = "incident_triage"


class Group:
    """Capabilities, as they are grouped in the lineage."""

    BACKUP: Final = "backup"
    RESTORE: Final = "restore"
    LOAD_TEST: Final = "load_test"
    MONITORING: Final = "monitoring"
    ERRORS: Final = "errors"
    READINESS: Final = "readiness"


class Asset:
    """What jobs make; those of one component are in `BACKUP_ASSETS` and `DRILL_ASSETS`."""

    BACKUP_SET: Final = "backup_set"
    OFFSITE_COPY: Final = "offsite_copy"
    BACKUP_RETENTION: Final = "backup_retention"
    DRILL_REPORT: Final = "restore_drill_report"
    SAMPLES: Final = "load_test_samples"
    PERCENTILES: Final = "latency_percentiles"
    SATURATION: Final = "service_saturation"
    SWEEP: Final = "concurrency_sweep"
    BASELINE: Final = "load_test_baseline"
    COMPARISON: Final = "baseline_comparison"
    BOTTLENECKS: Final = "bottleneck_report"
    MONITORING_CONFIGURATION: Final = "monitoring_configuration"
    SCRAPE_COVERAGE: Final = "scrape_coverage"
    ENDPOINT_LATENCY: Final = "metrics_endpoint_latency"
    AVAILABILITY: Final = "service_availability"
    STACK_HEALTH: Final = "stack_health"
    ERROR_RATE: Final = "error_rate"
    ERROR_DIGEST: Final = "error_digest"
    LAUNCH_CHECKLIST: Final = "launch_checklist"
    INCIDENT_PLAYBOOKS: Final = "incident_playbooks"


# By the name of the component.
BACKUP_ASSETS: Final = {
    "postgresql": "postgres_backup",
    "qdrant": "qdrant_backup",
    "volumes": "volumes_backup",
}
DRILL_ASSETS: Final = {
    "postgresql": "postgres_restore_drill",
    "qdrant": "qdrant_restore_drill",
    "volumes": "volumes_restore_drill",
}
# What follows a set, in this order: by the lineage in Dagster, and in commands.
AFTER_SET: Final = (Asset.OFFSITE_COPY, Asset.BACKUP_RETENTION)


class Op:
    """Steps of the jobs that make no assets: keys of their run configs."""

    RESTORE: Final = "restore"
    VERIFY: Final = "verify_sets"
    TRIAGE: Final = "triage_stack"


class Tag:
    """Of runs, but for the last two, which are of assets."""

    BACKUP_ID: Final = "onyx/backup_id"
    EXCLUSIVE: Final = "onyx/exclusive"
    WORKER: Final = "onyx/worker"
    LAUNCH_ID: Final = "onyx/launch_id"
    REASON: Final = "onyx/reason"
    # The partition: which stack, where Dagster looks after several.
    STACK: Final = "dagster/partition"
    MAX_RUNTIME: Final = "dagster/max_runtime"
    COMPONENT: Final = "onyx/component"
    ACCEPTANCE: Final = "onyx/acceptance"


# What messages of incidents are about, for who routes them: `incident:failed`.
INCIDENT: Final = "incident"
OWNERS: Final = ("team:operations",)
# One after the other: sources are not read by two steps at a time.
SOURCE_POOL: Final = "backup_source"
EXCLUSIVE_TAGS: Final = {Tag.EXCLUSIVE: "heavy"}


def run_tags(*, max_runtime_h: float, exclusive: bool = True) -> dict[str, str]:
    """Of a job's runs: how long they may take, and that nothing else that is heavy runs beside."""
    limit = {Tag.MAX_RUNTIME: str(round(max_runtime_h * 3600))}
    return {**EXCLUSIVE_TAGS, **limit} if exclusive else limit


def escalation_job(level: int) -> str:
    """What a message is about that nobody has answered, for the first time or the second."""
    return f"{INCIDENT}_escalation_{level}"
