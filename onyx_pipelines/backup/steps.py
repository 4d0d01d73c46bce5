"""The steps of a backup, with no Dagster: assets, the command line and tests call the same ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from onyx_pipelines.backup.doubts import find_doubts
from onyx_pipelines.backup.host import BackupHost, required_private_key
from onyx_pipelines.backup.protection import count_versions
from onyx_pipelines.backup.size_plausibility import SizeVerdict, judge_sizes
from onyx_pipelines.errors import (
    IntegrityError,
    KeyFileError,
    NotFoundError,
    OnyxError,
    SettingsError,
    StoreError,
)
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.telemetry import log_fields, logger
from onyx_pipelines.vault.catalog import Catalog, CatalogRow, rows
from onyx_pipelines.vault.copying import CopyReport, copy_set, lag, pending
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.layout import manifest_key, set_prefix
from onyx_pipelines.vault.lock import set_in_use
from onyx_pipelines.vault.manifest import (
    BackupType,
    ComponentRecord,
    Manifest,
    manifest_component_name,
)
from onyx_pipelines.vault.pruning import PruneReport, prune
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.scanning import UntrustedSet
from onyx_pipelines.vault.store_plans import store_plans
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.verification import Verification, verify
from onyx_pipelines.vault.writing import SetWriter

_NAMED_STRANGERS = 10
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
    writer = SetWriter(host.local, backup_id, host.recipients())
    host.trust.signing_key()  # what could not be signed in the end is not begun
    kept = writer.finished_components().get(component)
    if kept is not None:
        _log.info("kept")
        return kept
    started_at = datetime.now(UTC)
    sink = writer.component(component)
    report = host.sources[component].back_up(sink, progress)
    record = sink.finish(report, started_at)
    _log.info(
        "component sealed",
        extra={
            "status": record.status.value,
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
    writer = SetWriter(host.local, backup_id, host.recipients())
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
            previous=next((each for each in earlier if not each.missing_components), None),
        ),
        timestamp=timestamp,
        backup_type=backup_type,
        retention_days=retention_days(host.settings, backup_type),
        host=host.name,
    )
    _log.info(
        "set complete",
        extra={
            "backup_id": backup_id,
            "status": manifest.status.value,
            "sealed_bytes": manifest.sealed_bytes,
            "missing_components": sorted(manifest.missing_components),
        },
    )
    return manifest


def retention_days(settings: Settings, backup_type: BackupType) -> int:
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
    views = host.local_catalog.sets()
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


def set_to_verify(host: BackupHost, backup_id: str) -> str:
    """This run's set, or the newest one where a check runs on its own."""
    if host.local.stat(manifest_key(backup_id)) is not None:
        return backup_id
    return host.local_catalog.identify("latest")


def sets_to_verify(host: BackupHost, store: Store, wanted: str) -> list[str]:
    """Ids of what a store has of the set with this id, of the `latest`, or of `all`: damaged and
    untrusted ones too, since finding them is what verification is for.

    Raises:
        NotFoundError: it has none; reading nothing is no success.
    """
    catalog = Catalog([store], host.trust)
    if wanted != "all":
        return [catalog.identify(wanted)]
    ids = catalog.scan().ids
    if not ids:
        raise NotFoundError(
            f"The {store.name} store holds no backup set.",
            remedy=f"See what became of them in {store.url}, then take a new backup now.",
        )
    return ids


def store_named(host: BackupHost, name: str) -> Store:
    """One store of this host.

    Raises:
        SettingsError: there is no such store.
    """
    for store in host.stores:
        if store.name == name:
            return store
    have = ", ".join(store.name for store in host.stores)
    raise SettingsError(
        f"There is no {name} store.",
        remedy=f"This host has: {have}. ONYX_OFFSITE_URL names the off-site store.",
    )


def verify_set(
    host: BackupHost,
    store: Store,
    backup_id: str,
    progress: ProgressCallback,
    *,
    deep: bool = False,
) -> Verification:
    """Read back what a store holds of a set, and note it as the set's last verification. An intact
    set that could not be authenticated is noted neither as right nor as wrong.

    Raises:
        KeyFileError: the set is not sealed to this host's private key, or there is none to unseal
            it with, which is not the set's fault: nothing is noted.
    """
    key = required_private_key(host.settings) if deep else host.private_key()
    with set_in_use(host.settings.state_dir, backup_id):
        if key is not None:
            _require_recipient(store, backup_id, key)
        verification = verify(
            store, backup_id, key, signers=host.trust.signers, deep=deep, progress=progress
        )
        if verification.ok or not verification.intact:
            host.catalog.record_verification(
                backup_id, store.name, passed=verification.ok, at=datetime.now(UTC)
            )
    return verification


def _require_recipient(store: Store, backup_id: str, key: PrivateKey) -> None:
    try:
        copies = load_manifest(store, backup_id).keyset.copies
    except IntegrityError:
        return  # verification names it
    if key.recipient.id not in {copy.recipient_id for copy in copies}:
        names = ", ".join(copy.recipient_name for copy in copies)
        raise KeyFileError(
            f"Backup set {backup_id} is not sealed to the key {key.recipient.name!r}, but to"
            f" {names}.",
            remedy="Set ONYX_PRIVATE_KEY_FILE to a key of one of those, or to nothing in order to"
            " compare the stored bytes alone.",
        )


def location_of(store: Store, backup_id: str) -> str:
    """Where a set lies, for people."""
    return f"{store.url.removeprefix('file://').rstrip('/')}/{set_prefix(backup_id).rstrip('/')}"


def retention_policy(settings: Settings) -> RetentionPolicy:
    return RetentionPolicy.from_settings(settings)


def catalog_rows(host: BackupHost, catalog: Catalog) -> list[CatalogRow]:
    """Every whole set, newest first, with what retention keeps it as now."""
    return [row for row, _ in listed_sets(host, catalog)]


def listed_sets(host: BackupHost, catalog: Catalog) -> list[tuple[CatalogRow, Manifest]]:
    """The same, each with its manifest."""
    scan = catalog.scan()
    plans = store_plans(
        scan.views,
        retention_policy(host.settings),
        stores=[store.name for store in catalog.stores],
        now=datetime.now(UTC),
    )
    found = rows(scan.sets, plans)
    return list(zip(found, (view.manifest for view in scan.sets), strict=True))


@dataclass(frozen=True)
class CopyOutcome:
    """What one run copied. `problems` are about sets of earlier runs."""

    reports: tuple[CopyReport, ...]
    problems: tuple[str, ...]

    @property
    def copied_bytes(self) -> int:
        return sum(report.copied_bytes for report in self.reports)


def pending_copies(host: BackupHost) -> list[str]:
    """Ids of the sets whose second copy is missing or damaged, newest first."""
    views = host.catalog.scan().views
    policy = retention_policy(host.settings)
    return [view.backup_id for view in pending(views, policy, now=datetime.now(UTC))]


def copy_offsite(
    host: BackupHost, backup_id: str | None, progress: ProgressCallback
) -> CopyOutcome:
    """Copy one set, or every one that lacks its copy, newest first.

    Raises:
        OnyxError: the newest one (or the one asked for) could not be copied. What is wrong with
            older ones is among the outcome's problems, so that it cannot hold up tonight's.
    """
    offsite = host.offsite
    if offsite is None:
        raise SettingsError("There is no off-site store.", remedy="Set ONYX_OFFSITE_URL.")
    due = [backup_id] if backup_id else pending_copies(host)
    reports: list[CopyReport] = []
    problems: list[str] = []
    for number, each in enumerate(due):
        try:
            with set_in_use(host.settings.state_dir, each):
                report = copy_set(host.local, offsite, each, host.trust, progress)
        except OnyxError as error:
            if number == 0:
                raise
            problems.append(str(error))
            continue
        reports.append(report)
        _log.info("copied", extra={**asdict(report)})
    return CopyOutcome(tuple(reports), tuple(problems))


@dataclass(frozen=True)
class OffsiteLag:
    """How far the second copy is behind."""

    pending: tuple[str, ...]
    age_s: float

    @property
    def sentence(self) -> str:
        if not self.pending:
            return "Every set has its second copy."
        return (
            f"{len(self.pending)} sets wait for their second copy; recovery from the second store"
            f" would be {self.age_s / 3600:.1f} hours behind."
        )


def offsite_lag(host: BackupHost, *, now: datetime) -> OffsiteLag:
    views = host.catalog.scan().views
    waiting = pending(views, retention_policy(host.settings), now=now)
    return OffsiteLag(
        tuple(view.backup_id for view in waiting), lag(views, now=now).total_seconds()
    )


def apply_retention(
    host: BackupHost, *, now: datetime, dry_run: bool, made: str = ""
) -> PruneReport:
    """Prune by the policy and sweep what killed runs left; never the set that this run `made`.

    Raises:
        StoreError: a store cannot be listed; nothing was deleted.
    """
    report = prune(
        host.catalog,
        retention_policy(host.settings),
        now=now,
        dry_run=dry_run,
        state_dir=host.settings.state_dir,
        grace=timedelta(hours=host.settings.sweep_grace_hours),
        made=made,
    )
    _log.info(
        "retention",
        extra={
            "dry_run": dry_run,
            "kept": {store: len(plan.kept) for store, plan in report.plans.items()},
            "pruned": report.pruned,
            "freed_bytes": report.freed_bytes,
            "remaining_bytes": report.remaining_bytes,
            "waiting": [each.what for each in report.waiting],
        },
    )
    if not dry_run:
        try:
            count_versions(host, waiting_sets=len(report.waiting), now=now)
        except StoreError as error:
            _log.warning("versions were not counted", extra={"problem": str(error)})
    return report


def sentence_on_untrusted(untrusted: Sequence[UntrustedSet]) -> str:
    """What does not count, for a person to look at; empty where there is nothing."""
    if not untrusted:
        return ""
    named = "; ".join(
        f"{each.backup_id} in the {each.store} store: {each.what}"
        for each in untrusted[:_NAMED_STRANGERS]
    )
    more = "; …" if len(untrusted) > _NAMED_STRANGERS else ""
    return f"{len(untrusted)} sets do not count, signed by nobody who does: {named}{more}"


def prune_problems(report: PruneReport) -> list[str]:
    """What a person should look at, one sentence each."""
    return [
        *(
            f"{f.what} was not deleted from the {f.store} store: {f.problem}"
            for f in report.failures
        ),
        *(f"{p.what} ({p.store} store)" for p in report.problems),
        *(f"{each} is dated in the future" for each in report.future_dated),
    ]
