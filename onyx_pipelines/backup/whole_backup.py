"""A whole backup without Dagster: the same steps in the same order as the nightly job's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from onyx_pipelines.backup import offsite_copies, retained_sets, steps, verifying
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.core.errors import IntegrityError, OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.names import AFTER_SET, Asset
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.retries import retried
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.sources.source import USUAL_WARNINGS, Component
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.manifest import BackupType, ComponentRecord
from onyx_pipelines.vault.unfinished_restore import refuse_while_restoring

_log = logger("backup")


@dataclass(frozen=True)
class BackupOutcome:
    """What `onyx backup run` answers. `problems` are failed promises about a set that exists;
    `warnings` tell of nothing wrong, such as a file that changed while it was read."""

    backup_id: str
    status: str
    location: str
    plain_bytes: int
    sealed_bytes: int
    is_verified: bool
    offsite: str
    pruned: tuple[str, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def run_backup(
    settings: Settings,
    *,
    backup_type: BackupType,
    components: frozenset[Component] | None,
    progress: ProgressCallback,
    with_pruning: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> BackupOutcome:
    """Back up, verify, copy, prune. Transient failures are retried with growing waits.

    The set counts as soon as it is complete: what fails afterwards (the copy, pruning) is among
    the outcome's problems. Pruning needs a verified set that is where it should be.

    Raises:
        AlreadyRunningError: another backup or a load test holds the lock, or a restore was
            interrupted.
        OnyxError: there is no set.
    """
    backup_id = str(uuid.uuid4())
    with ExclusiveLock(settings.state_dir, "backup", backup_id):
        refuse_while_restoring(settings.state_dir)
        host = open_host(settings)
        wanted = steps.wanted_components(host, components)
        for component in sorted(wanted):
            back_up = partial(steps.back_up_component, host, backup_id, component, progress)
            retried(back_up, sleep)
        manifest = retried(
            lambda: steps.complete_set(host, backup_id, backup_type=backup_type, requested=wanted),
            sleep,
        )
        problems = [doubt.what for doubt in manifest.doubts]
        left = [each for each in AFTER_SET if with_pruning or each != Asset.BACKUP_RETENTION]
        later = _after_completion(_Work(host, backup_id, progress, sleep), left)
    warned = [_divided(record) for record in manifest.components.values()]
    return BackupOutcome(
        backup_id=backup_id,
        status=manifest.shown_status,
        location=steps.location_of(host.first, backup_id),
        plain_bytes=manifest.plain_bytes,
        sealed_bytes=manifest.sealed_bytes,
        is_verified=later.is_verified,
        offsite=later.offsite,
        pruned=later.pruned,
        problems=(*problems, *later.problems, *(each for wrong, _ in warned for each in wrong)),
        warnings=tuple(each for _, usual in warned for each in usual),
    )


def _divided(record: ComponentRecord) -> tuple[Sequence[str], Sequence[str]]:
    """Its warnings of something wrong, and those of what is usual."""
    first_usual = len(record.warnings) - int(record.summary.get(USUAL_WARNINGS, 0))
    return record.warnings[:first_usual], record.warnings[first_usual:]


@dataclass(frozen=True)
class _Later:
    """What became of a set after it was complete."""

    is_verified: bool = False
    offsite: str = "failed"
    pruned: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Work:
    """What each of the later steps needs."""

    host: BackupHost
    backup_id: str
    progress: ProgressCallback
    sleep: Callable[[float], None]


def _after_completion(work: _Work, steps_left: Sequence[str]) -> _Later:
    """Verified, and then each step of `steps_left`, until one finds a problem."""
    later = _Later()
    try:
        later = _verified(work)
        for step in steps_left:
            if later.problems:
                break
            later = _LATER_STEPS[step](work, later)
    except OnyxError as error:
        _log.error("after completion: %s", error, extra={"backup_id": work.backup_id})
        return replace(later, offsite="failed", problems=(str(error),))
    return later


def _verified(work: _Work) -> _Later:
    verification = verifying.verify_set(work.host, work.host.first, work.backup_id, work.progress)
    if not verification.intact:
        raise IntegrityError(
            f"What the first store holds of {work.backup_id} is damaged: "
            + "; ".join(f"{v.key}: {v.problem}" for v in verification.problems),
            remedy="Check the disk, then run the backup again.",
        )
    return _Later(is_verified=verification.ok)


def _copied(work: _Work, later: _Later) -> _Later:
    if not work.host.copies:
        return replace(later, offsite="not configured")
    copied = retried(
        lambda: offsite_copies.copy_offsite(work.host, None, work.progress), work.sleep
    )
    return replace(later, offsite="copied", problems=tuple(copied.problems))


def _pruned(work: _Work, later: _Later) -> _Later:
    report = retained_sets.apply_retention(
        work.host, now=datetime.now(UTC), dry_run=False, made=work.backup_id
    )
    return replace(
        later, pruned=tuple(report.pruned), problems=tuple(retained_sets.prune_problems(report))
    )


_LATER_STEPS: Final = {Asset.OFFSITE_COPY: _copied, Asset.BACKUP_RETENTION: _pruned}
