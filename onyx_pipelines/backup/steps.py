"""The steps that make a set, with no Dagster: assets, the command line and tests call the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from onyx_pipelines.backup.doubts import find_doubts
from onyx_pipelines.backup.hooks import hooks_around
from onyx_pipelines.backup.host import BackupHost
from onyx_pipelines.backup.size_plausibility import SizeVerdict, judge_sizes
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.logs import log_fields, logger
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.settings import RetentionSettings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.layout import set_prefix
from onyx_pipelines.vault.manifest import (
    BackupType,
    ComponentRecord,
    Manifest,
    manifest_component_name,
)
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.writing import SetWriter

_log = logger("backup")

_DAYS_KEPT = {BackupType.DAILY: 1, BackupType.WEEKLY: 7, BackupType.MONTHLY: 31}


def back_up_component(
    host: BackupHost, backup_id: str, component: Component, progress: ProgressCallback
) -> ComponentRecord:
    """Read one component into the set; one that an earlier attempt finished is kept.

    Raises:
        OnyxError: it failed; nothing of it becomes part of a set.
    """
    with log_fields(backup_id=backup_id, component=component.value):
        return _back_up(host, backup_id, component, progress)


def _back_up(
    host: BackupHost, backup_id: str, component: Component, progress: ProgressCallback
) -> ComponentRecord:
    writer = SetWriter(host.first, backup_id, host.recipients())
    host.trust.signing_key()  # what could not be signed in the end is not begun
    kept = writer.finished_components().get(component)
    if kept is not None:
        _log.info("kept")
        return kept
    started_at = datetime.now(UTC)
    sink = writer.component(component)
    with hooks_around(host.settings, component):
        report = host.sources[component].back_up(sink, progress)
        record = sink.finish(report, started_at)
    _log.info(
        "component sealed",
        extra={
            "status": record.shown_status,
            "plain_bytes": record.plain_bytes,
            "sealed_bytes": record.sealed_bytes,
            "duration_s": record.duration_s,
            "checksum_sha256": record.checksum,
        },
    )
    return record


def wanted_components(
    host: BackupHost, requested: Collection[Component] | None
) -> frozenset[Component]:
    """The configured ones among those asked for; None asks for all.

    Raises:
        SettingsError: nothing would be backed up.
    """
    configured = frozenset(host.sources)
    wanted = configured if requested is None else configured & frozenset(requested)
    if not wanted:
        asked = "any" if requested is None else " or ".join(sorted(requested)) or "any"
        raise SettingsError(
            f"There is nothing to back up: {asked} component is not configured.",
            remedy="Set ONYX_PG_HOST, ONYX_QDRANT_URL or ONYX_VOLUMES (docs/configuration.md).",
        )
    return wanted


def complete_set(
    host: BackupHost,
    backup_id: str,
    *,
    backup_type: BackupType,
    requested: Collection[Component] | None,
) -> Manifest:
    """Write the manifest: from now on the set exists in the first store."""
    components = wanted_components(host, requested)
    left_out = frozenset(host.sources) - components
    writer = SetWriter(host.first, backup_id, host.recipients())
    finished = writer.finished_components()
    timestamp = min((each.started_at for each in finished.values()), default=datetime.now(UTC))
    records = [finished[component] for component in Component if component in finished]
    earlier = _earlier_sets(host, backup_id, timestamp)
    manifest = writer.complete(
        signing_key=host.trust.signing_key(),
        components=components,
        missing_components=left_out,
        doubts=find_doubts(
            records,
            _judged(host, records, earlier),
            left_out=left_out,
            earlier=earlier,
        ),
        timestamp=timestamp,
        backup_type=backup_type,
        retention_days=retention_days(host.settings, backup_type),
        host=host.name,
        stack=host.settings.stack,
    )
    _log.info(
        "set complete",
        extra={
            "backup_id": backup_id,
            "status": manifest.shown_status,
            "sealed_bytes": manifest.sealed_bytes,
            "missing_components": sorted(manifest.missing_components),
        },
    )
    return manifest


def retention_days(settings: RetentionSettings, backup_type: BackupType) -> int:
    """How long a set of this type is kept at least, as its manifest says it (the spec's field)."""
    counts = {
        BackupType.DAILY: settings.keep_daily,
        BackupType.WEEKLY: settings.keep_weekly,
        BackupType.MONTHLY: settings.keep_monthly,
    }
    return counts[backup_type] * _DAYS_KEPT[backup_type]


def size_verdicts(host: BackupHost, manifest: Manifest) -> list[SizeVerdict]:
    """Each component against the last good sets of the first store."""
    earlier = _earlier_sets(host, manifest.backup_id, manifest.timestamp)
    return _judged(host, list(manifest.components.values()), earlier)


def _earlier_sets(host: BackupHost, backup_id: str, before: datetime) -> list[Manifest]:
    """Of the first store, newest first. No other one is asked, so that a second store that is
    down does not fail a set that is complete."""
    views = host.first_catalog.sets()
    return [v.manifest for v in views if v.backup_id != backup_id and v.timestamp <= before]


def _judged(
    host: BackupHost, records: Sequence[ComponentRecord], earlier: Sequence[Manifest]
) -> list[SizeVerdict]:
    return judge_sizes(
        _plain_sizes(records),
        [_plain_sizes(each.components.values()) for each in earlier],
        drop_error_percent=host.settings.size_drop_error_percent,
    )


def _plain_sizes(records: Iterable[ComponentRecord]) -> dict[str, int]:
    """Component → plain bytes."""
    return {manifest_component_name(each.component): each.plain_bytes for each in records}


def location_of(store: Store, backup_id: str) -> str:
    """Where a set lies, for people."""
    return f"{store.url.removeprefix('file://').rstrip('/')}/{set_prefix(backup_id).rstrip('/')}"
