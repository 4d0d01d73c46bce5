"""The backup before a restore: what is about to be replaced, held until a person lets it go."""

from __future__ import annotations

from datetime import UTC, datetime

from onyx_pipelines.backup.host import open_host
from onyx_pipelines.backup.whole_backup import run_backup
from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.manifest import BackupType


def take_safety_backup(
    settings: Settings, components: frozenset[Component], progress: ProgressCallback
) -> str:
    """Back up, verify and hold; nothing is pruned. Gives the set's id.

    A second store that does not answer is no reason to fail: the set in the first one will do.

    Raises:
        AlreadyRunningError: another task holds the host's lock.
        IntegrityError: what was written could not be read back.
        OnyxError: there is no set.
    """
    outcome = run_backup(
        settings,
        backup_type=BackupType.DAILY,
        components=components,
        progress=progress,
        with_pruning=False,
    )
    if not outcome.is_verified:
        raise IntegrityError(
            f"The set {outcome.backup_id} was written and does not read back.",
            remedy="; ".join(outcome.problems),
        )
    open_host(settings).catalog.hold(
        outcome.backup_id, "safety backup before a restore", now=datetime.now(UTC)
    )
    return outcome.backup_id


def warnings_of_set(settings: Settings, backup_id: str) -> list[str]:
    """In what it is not whole."""
    manifest = open_host(settings).catalog.find(backup_id).manifest
    return [warning for record in manifest.components.values() for warning in record.warnings]
