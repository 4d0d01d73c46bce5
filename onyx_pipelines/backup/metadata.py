"""What materialisations and checks show in the UI: numbers to plot, tables to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from onyx_pipelines.backup.offsite_copies import CopyOutcome
from onyx_pipelines.backup.rendering import (
    RETENTION_HEAD,
    bullets,
    markdown_table,
    objects_table,
    retention_rows,
)
from onyx_pipelines.backup.size_plausibility import SizeVerdict
from onyx_pipelines.core.text import duration_text, size_text
from onyx_pipelines.vault.manifest import ComponentRecord, Manifest
from onyx_pipelines.vault.pruning import PruneReport

Metadata = dict[str, Any]


def component_metadata(record: ComponentRecord) -> Metadata:
    """Sizes, times and counts of one component under names that stay the same from run to run."""
    duration = max(record.duration_s, 1e-6)
    return {
        "status": record.shown_status,
        "plain_bytes": record.plain_bytes,
        "sealed_bytes": record.sealed_bytes,
        "dagster/size_bytes": record.sealed_bytes,
        "size_gb": float(record.size_gb),
        "compression_ratio": round(record.plain_bytes / max(record.sealed_bytes, 1), 3),
        "duration_s": float(record.duration_s),
        "throughput_mb_s": round(record.plain_bytes / duration / 1e6, 3),
        "checksum_sha256": record.checksum,
        "objects": dg.MetadataValue.md(objects_table([record])),
        "objects_count": len(record.objects),
        "warnings_count": len(record.warnings),
        **({"warnings": dg.MetadataValue.md(bullets(record.warnings))} if record.warnings else {}),
        **dict(record.summary),
        **{f"version/{tool}": version for tool, version in record.versions.items()},
    }


def set_metadata(manifest: Manifest, *, location: str, recent: str) -> Metadata:
    """The whole set; `location` is its directory or address, `recent` a Markdown list of sets."""
    components = list(manifest.components.values())
    duration = (manifest.completed_at - manifest.timestamp).total_seconds()
    return {
        "backup_id": manifest.backup_id,
        "status": manifest.shown_status,
        "backup_type": manifest.backup_type.value,
        "recovery_point": dg.MetadataValue.timestamp(manifest.timestamp),
        "plain_bytes": manifest.plain_bytes,
        "sealed_bytes": manifest.sealed_bytes,
        "dagster/size_bytes": manifest.sealed_bytes,
        "compression_ratio": round(manifest.plain_bytes / max(manifest.sealed_bytes, 1), 3),
        "duration_s": float(duration),
        "components_count": len(components),
        "objects_count": sum(len(component.objects) for component in components),
        "warnings_count": sum(len(component.warnings) for component in components),
        "location": dg.MetadataValue.path(location),
        "objects": dg.MetadataValue.md(objects_table(components)),
        "recent_sets": dg.MetadataValue.md(recent),
    }


def size_metadata(verdicts: Sequence[SizeVerdict]) -> Metadata:
    values: Metadata = {
        "sizes": dg.MetadataValue.md(bullets([verdict.reason for verdict in verdicts]))
    }
    for verdict in verdicts:
        if verdict.change_percent is not None:
            values[f"change_percent/{verdict.component}"] = verdict.change_percent
    return values


def copy_metadata(outcome: CopyOutcome, *, location: str) -> Metadata:
    """Of one run that copied: sets, objects, bytes and seconds, plotted under fixed names."""
    seconds = sum(report.duration_s for report in outcome.reports)
    table = markdown_table(
        ("set", "objects sent", "already there", "bytes sent", "took"),
        [
            (
                report.backup_id,
                str(report.copied_objects),
                str(report.already_there),
                size_text(report.copied_bytes),
                duration_text(report.duration_s),
            )
            for report in outcome.reports
        ],
    )
    return {
        "status": "copied" if outcome.reports else "nothing was due",
        "dagster/uri": location,
        "copied_sets": len(outcome.reports),
        "copied_bytes": outcome.copied_bytes,
        "duration_s": round(seconds, 3),
        "throughput_mb_s": round(outcome.copied_bytes / max(seconds, 1e-6) / 1e6, 3),
        "problems_count": len(outcome.problems),
        "copies": dg.MetadataValue.md(table),
        **(
            {"problems": dg.MetadataValue.md(bullets(outcome.problems))} if outcome.problems else {}
        ),
    }


def retention_metadata(report: PruneReport) -> Metadata:
    """The plan with the reason for every set."""
    return {
        "dry_run": report.dry_run,
        "kept_count": len(report.kept),
        **{f"kept_count/{store}": len(plan.kept) for store, plan in report.plans.items()},
        "pruned_count": len(report.pruned),
        "leftovers_count": len(report.leftovers),
        "failures_count": len(report.failures),
        "waiting_count": len(report.waiting),
        "freed_bytes": report.freed_bytes,
        "remaining_bytes": report.remaining_bytes,
        "policy": str(report.policy),
        **{f"policy/{store}": str(policy) for store, policy in report.own_policies.items()},
        "plan": dg.MetadataValue.md(markdown_table(RETENTION_HEAD, retention_rows(report))),
    }
