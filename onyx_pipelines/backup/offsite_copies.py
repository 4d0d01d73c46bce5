"""The copies of this host's sets in other stores: which are due, making them, how far they lag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from onyx_pipelines.backup.host import BackupHost
from onyx_pipelines.backup.retained_sets import policy_of
from onyx_pipelines.core.errors import OnyxError, SettingsError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.text import count_text, duration_text
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.copying import CopyReport, copy_set, lag, pending
from onyx_pipelines.vault.lock import set_in_use
from onyx_pipelines.vault.set_view import SetView
from onyx_pipelines.vault.stores.store import Store

_log = logger("backup")


@dataclass(frozen=True)
class CopyOutcome:
    """What one run copied. `problems` are about sets of earlier runs."""

    reports: tuple[CopyReport, ...]
    problems: tuple[str, ...]

    @property
    def copied_bytes(self) -> int:
        return sum(report.copied_bytes for report in self.reports)


def pending_copies(host: BackupHost) -> list[str]:
    """Ids of the sets of which a copy is missing or damaged, store by store, newest first. Stores
    that answer are told of, unless none does.

    Raises:
        StoreError: no store can be asked.
    """
    found: list[str] = []
    errors: list[OnyxError] = []
    for target in host.copies:
        try:
            found += _due(host, target)
        except OnyxError as error:
            errors.append(error)
    if errors and not found:
        raise errors[0]
    return list(dict.fromkeys(found))


def copy_offsite(
    host: BackupHost, backup_id: str | None, progress: ProgressCallback
) -> CopyOutcome:
    """Copy one set, or every one that lacks a copy, newest first, to every other store. One store
    that fails keeps none from the others.

    Raises:
        OnyxError: of some store, the newest one (or the one asked for) could not be copied. What
            is wrong with older ones is among the outcome's problems, so that it cannot hold up
            tonight's.
    """
    if not host.copies:
        raise SettingsError("There is no off-site store.", remedy="Set ONYX_OFFSITE_URL.")
    copying = _Copying(host, progress)
    for target in host.copies:
        try:
            copying.to(target, backup_id)
        except OnyxError as error:
            copying.failures.append(error)
    if copying.failures:
        first, *others = copying.failures
        for other in others:
            first.add_note(str(other))
        raise first
    return CopyOutcome(tuple(copying.reports), tuple(copying.problems))


@dataclass
class _Copying:
    """What came of copying to each store."""

    host: BackupHost
    progress: ProgressCallback
    reports: list[CopyReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failures: list[OnyxError] = field(default_factory=list)

    def to(self, target: Store, backup_id: str | None) -> None:
        for number, each in enumerate([backup_id] if backup_id else _due(self.host, target)):
            try:
                with set_in_use(self.host.settings.state_dir, each):
                    report = copy_set(self.host.first, target, each, self.host.trust, self.progress)
            except OnyxError as error:
                if number == 0:
                    raise
                self.problems.append(str(error))
                continue
            self.reports.append(report)
            _log.info("copied", extra={**asdict(report)})


def _due(host: BackupHost, target: Store) -> list[str]:
    views = Catalog([host.first, target], host.trust).scan().views
    return [view.backup_id for view in _waiting(host, target, views, datetime.now(UTC))]


def _waiting(
    host: BackupHost, target: Store, views: Sequence[SetView], now: datetime
) -> list[SetView]:
    return pending(
        views,
        policy_of(host, target.name),
        now=now,
        source=host.first.name,
        target=target.name,
    )


@dataclass(frozen=True)
class OffsiteLag:
    """How far the copies in one store are behind."""

    store: str
    pending: tuple[str, ...]
    age_s: float

    @property
    def sentence(self) -> str:
        if not self.pending:
            return f"Every set has its copy in the {self.store} store."
        return (
            f"{count_text(len(self.pending), 'set')} without a copy in the {self.store} store;"
            f" recovery from there would be {duration_text(self.age_s)} behind."
        )


def offsite_lags(host: BackupHost, *, now: datetime) -> list[OffsiteLag]:
    """Of each store that sets are copied to.

    Raises:
        StoreError: a store cannot be listed.
    """
    views = host.catalog.scan().views
    return [
        OffsiteLag(
            target.name,
            tuple(view.backup_id for view in _waiting(host, target, views, now)),
            lag(views, now=now, source=host.first.name, target=target.name).total_seconds(),
        )
        for target in host.copies
    ]
