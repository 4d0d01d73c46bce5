"""The second copies of this host's sets: which are due, making them, and how far they lag."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from onyx_pipelines.backup.host import BackupHost
from onyx_pipelines.backup.retained_sets import retention_policy
from onyx_pipelines.core.errors import OnyxError, SettingsError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.vault.copying import CopyReport, copy_set, lag, pending
from onyx_pipelines.vault.lock import set_in_use

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
