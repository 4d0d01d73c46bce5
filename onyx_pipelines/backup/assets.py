"""The nouns of a backup: three components, the set that they make, its copy, and what is kept."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from onyx_pipelines.backup import offsite_copies, retained_sets, steps
from onyx_pipelines.backup.metadata import (
    component_metadata,
    copy_metadata,
    retention_metadata,
    set_metadata,
    size_metadata,
)
from onyx_pipelines.backup.rendering import sets_table
from onyx_pipelines.backup.resources import BackupRun
from onyx_pipelines.core.names import BACKUP_ASSETS, OWNERS, SOURCE_POOL, Asset, Group, Tag
from onyx_pipelines.orchestration.failures import dagster_failures, retried_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.progress_lines import log_progress
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import Scan
from onyx_pipelines.vault.manifest import BackupType, DoubtKind, Manifest
from onyx_pipelines.vault.pruning import PruneReport

RECENT_SETS = 10

_DESCRIPTIONS = {
    Component.POSTGRESQL: "Every database, dumped from one exported snapshot together with the"
    " facts that a restore is compared with, and roles and grants (AC9.3.2).",
    Component.QDRANT: "A server snapshot of every collection, streamed, and the aliases, which no"
    " snapshot holds (AC9.3.2).",
    Component.VOLUMES: "A tar of every volume and a SHA-256 of every file in it (AC9.3.2).",
}

_KINDS = {
    Component.POSTGRESQL: {"postgres", "encrypted"},
    Component.QDRANT: {"qdrant", "encrypted"},
    Component.VOLUMES: {"docker", "encrypted"},
}


class BackupSetConfig(dg.Config):
    """Launchpad options of `backup_set`."""

    backup_type: BackupType = Field(
        default=BackupType.DAILY,
        description="What the set is asked to be retained as: DAILY, WEEKLY or MONTHLY.",
    )


class OffsiteCopyConfig(dg.Config):
    """Launchpad options of `offsite_copy`."""

    backup_id: str | None = Field(
        default=None,
        description="Id of the only set to copy. null: every set that lacks its copy.",
    )


class RetentionConfig(dg.Config):
    """Launchpad options of `backup_retention`."""

    dry_run: bool = Field(
        default=False, description="Only say what would be pruned, and why; delete nothing."
    )


def component_asset(component: Component, *, retry_delay_s: float) -> dg.AssetsDefinition:
    """The asset of one component; all three are alike but for their source."""

    @dg.asset(
        key=BACKUP_ASSETS[component],
        group_name=Group.BACKUP,
        kinds=_KINDS[component],
        owners=OWNERS,
        tags={Tag.COMPONENT: component.value},
        description=_DESCRIPTIONS[component],
        pool=SOURCE_POOL,
    )
    def back_up(context: dg.AssetExecutionContext, backup_run: BackupRun) -> Materialized:
        host = backup_run.host
        if component not in host.sources:
            context.log.warning(f"{component.value} is not configured; nothing to back up.")
            return dg.MaterializeResult(metadata={"status": "not configured"})
        with retried_failures(context.retry_number, delay_s=retry_delay_s):
            record = steps.back_up_component(
                host, backup_run.backup_id, component, log_progress(context.log.info)
            )
        for warning in record.warnings:
            context.log.warning(warning)
        return dg.MaterializeResult(
            metadata={"backup_id": backup_run.backup_id, **component_metadata(record)}
        )

    return back_up


def backup_set_asset(*, fail_after_hours: float | None) -> dg.AssetsDefinition:
    """The finished set: complete, authenticated, in the first store."""

    @dg.asset(
        key=Asset.BACKUP_SET,
        deps=list(BACKUP_ASSETS.values()),
        group_name=Group.BACKUP,
        kinds={"encrypted"},
        owners=OWNERS,
        tags={Tag.ACCEPTANCE: "AC9.3.1"},
        description="One sealed, self-contained backup set: its manifest is written last, so a set"
        " that is listed is whole (AC9.3.1, AC9.3.2).",
        freshness_policy=None if fail_after_hours is None else freshness(fail_after_hours),
        check_specs=[
            dg.AssetCheckSpec(
                "set_is_complete",
                asset=Asset.BACKUP_SET,
                blocking=True,
                description="Every configured component is in the set, nothing was left out, and"
                " no database, collection or volume is missing.",
            ),
            dg.AssetCheckSpec(
                "size_is_plausible",
                asset=Asset.BACKUP_SET,
                description="No component is much smaller than in the last good sets.",
            ),
        ],
    )
    def backup_set(
        context: dg.AssetExecutionContext, config: BackupSetConfig, backup_run: BackupRun
    ) -> Materialized:
        host = backup_run.host
        with dagster_failures():
            manifest = steps.complete_set(
                host,
                backup_run.backup_id,
                backup_type=config.backup_type,
                requested=_requested(context),
            )
            sizes = steps.size_verdicts(host, manifest)
            recent = retained_sets.catalog_rows(host, host.first_catalog)[:RECENT_SETS]
        return dg.MaterializeResult(
            metadata=set_metadata(
                manifest,
                location=steps.location_of(host.first, manifest.backup_id),
                recent=sets_table(recent),
            ),
            check_results=[
                _completeness(manifest),
                dg.AssetCheckResult(
                    check_name="size_is_plausible",
                    passed=all(verdict.ok for verdict in sizes),
                    severity=dg.AssetCheckSeverity.ERROR,
                    description="; ".join(each.reason for each in sizes if not each.ok) or None,
                    metadata=size_metadata(sizes),
                ),
            ],
        )

    return backup_set


def offsite_copy_asset(*, retry_delay_s: float) -> dg.AssetsDefinition:
    """Copies what has no second copy yet, and reports whether every set has its one."""

    @dg.asset(
        key=Asset.OFFSITE_COPY,
        deps=[Asset.BACKUP_SET],
        group_name=Group.BACKUP,
        kinds={"s3", "encrypted"},
        owners=OWNERS,
        tags={Tag.COMPONENT: "store"},
        description="The sealed bytes in the second store, as they are, read back and hashed there."
        " A set that an earlier run could not copy is caught up.",
        check_specs=[
            dg.AssetCheckSpec(
                "sealed_checksums_hold",
                asset=Asset.OFFSITE_COPY,
                blocking=True,
                description="What the second store holds was read back and matches the manifest.",
            )
        ],
    )
    def offsite_copy(
        context: dg.AssetExecutionContext, config: OffsiteCopyConfig, backup_run: BackupRun
    ) -> Materialized:
        host = backup_run.host
        if not host.copies:
            context.log.warning("No second store is configured (ONYX_OFFSITE_URL).")
            return dg.MaterializeResult(
                metadata={"status": "not configured"},
                check_results=[
                    _unverified_copy("no second store is configured (ONYX_OFFSITE_URL)")
                ],
            )
        with retried_failures(context.retry_number, delay_s=retry_delay_s):
            outcome = offsite_copies.copy_offsite(
                host, config.backup_id or None, log_progress(context.log.info)
            )
        return dg.MaterializeResult(
            metadata=copy_metadata(outcome, location=", ".join(store.url for store in host.copies)),
            check_results=[
                dg.AssetCheckResult(
                    check_name="sealed_checksums_hold",
                    passed=not outcome.problems,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="; ".join(outcome.problems) or None,
                    metadata={
                        "copied_bytes": outcome.copied_bytes,
                        "copied_sets": len(outcome.reports),
                    },
                )
            ],
        )

    return offsite_copy


@dg.asset(
    key=Asset.BACKUP_RETENTION,
    deps=[Asset.OFFSITE_COPY],
    group_name=Group.BACKUP,
    kinds={"python"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.3.3"},
    description="What is kept and what is pruned, with the reason for every set: 7 daily, 4 weekly"
    " and 12 monthly by default (AC9.3.3). Runs only after this run's set is stored and verified.",
    check_specs=[
        dg.AssetCheckSpec(
            "stores_are_sound",
            asset=Asset.BACKUP_RETENTION,
            description="Nothing else in the stores needs a person: no set dated in the future, no"
            " mark that does not count, nothing that could not be deleted.",
        ),
        dg.AssetCheckSpec(
            "every_set_is_trusted",
            asset=Asset.BACKUP_RETENTION,
            description="Every set in the stores is signed by a host whose sets count. One that is"
            " not takes no place and is never pruned; somebody has put it there.",
        ),
        dg.AssetCheckSpec(
            "every_set_is_whole",
            asset=Asset.BACKUP_RETENTION,
            description="Every set in the stores can be read, has every object in full length, and"
            " passed its last verification. One that is whole in no store is lost.",
        ),
    ],
)
def backup_retention(
    context: dg.AssetExecutionContext, config: RetentionConfig, backup_run: BackupRun
) -> Materialized:
    host = backup_run.host
    with dagster_failures():
        report = retained_sets.apply_retention(
            host, now=datetime.now(UTC), dry_run=config.dry_run, made=backup_run.backup_id
        )
    for problem in retained_sets.prune_problems(report):
        context.log.warning(problem)
    return dg.MaterializeResult(
        metadata=retention_metadata(report),
        check_results=[_soundness(report), _trust(report.seen), _wholeness(report.seen)],
    )


def freshness(fail_after_hours: float) -> dg.FreshnessPolicy:
    """Overdue after `fail_after_hours`; a warning one hour before."""
    fail = timedelta(hours=fail_after_hours)
    return dg.FreshnessPolicy.time_window(
        fail_window=fail, warn_window=max(fail - timedelta(hours=1), fail / 2)
    )


def _requested(context: dg.AssetExecutionContext) -> frozenset[Component]:
    """The components whose assets this run was launched with; no selection means all of them,
    which Dagster writes as None or, where a run is launched from Python, as the empty set."""
    selection = context.run.asset_selection
    return frozenset(
        component
        for component in Component
        if not selection or dg.AssetKey(BACKUP_ASSETS[component]) in selection
    )


def _completeness(manifest: Manifest) -> dg.AssetCheckResult:
    """A component that failed leaves no set; one that was left out on purpose is a warning, and so
    is a database, collection or volume that the last set had, or that could not be read."""
    names = ", ".join(manifest.missing_components)
    lost = [doubt.what for doubt in manifest.doubts if doubt.kind is DoubtKind.SOURCES]
    unread = [
        f"{component} {name} could not be backed up: {why}"
        for component, record in manifest.components.items()
        for name, why in record.missing.items()
    ]
    left_out = [f"A partial set: this run was asked to leave out {names}."] if names else []
    return dg.AssetCheckResult(
        check_name="set_is_complete",
        passed=not names and not lost and not unread,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join([*left_out, *lost, *unread]) or None,
        metadata={
            "missing_components": names or "none",
            "lost_sources": "; ".join(lost) or "none",
            "missing_sources": "; ".join(unread) or "none",
        },
    )


def _soundness(report: PruneReport) -> dg.AssetCheckResult:
    problems = retained_sets.upkeep_problems(report)
    return dg.AssetCheckResult(
        check_name="stores_are_sound",
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR if report.failures else dg.AssetCheckSeverity.WARN,
        description="; ".join(problems) or None,
        metadata={"problems_count": len(problems)},
    )


def _trust(seen: Scan) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="every_set_is_trusted",
        passed=not seen.untrusted,
        severity=dg.AssetCheckSeverity.ERROR,
        description=retained_sets.sentence_on_untrusted(seen.untrusted) or None,
        metadata={"untrusted_sets": len(seen.untrusted)},
    )


def _wholeness(seen: Scan) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="every_set_is_whole",
        passed=not seen.damaged,
        severity=dg.AssetCheckSeverity.ERROR if seen.lost else dg.AssetCheckSeverity.WARN,
        description=retained_sets.sentence_on_damaged(seen.damaged) or None,
        metadata={"damaged_sets": len(seen.damaged), "lost_sets": len(seen.lost)},
    )


def _unverified_copy(reason: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="sealed_checksums_hold",
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Could not verify: {reason}.",
    )
