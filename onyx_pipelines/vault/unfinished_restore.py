"""A mark on the host that a restore is changing live data, which outlives a killed restore.

A backup of data that is half replaced would be taken for a good one, so backups refuse meanwhile.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from onyx_pipelines.errors import AlreadyRunningError
from onyx_pipelines.vault.durable_files import replace_durably

_FILE = "restore-in-progress.json"


@dataclass(frozen=True)
class UnfinishedRestore:
    """`command`: what finishes it."""

    restore_id: str
    backup_id: str
    command: str


def mark_restore(state_dir: Path, restore: UnfinishedRestore) -> None:
    replace_durably(state_dir / _FILE, json.dumps(asdict(restore)).encode(), mode=0o600)


def clear_restore(state_dir: Path) -> None:
    (state_dir / _FILE).unlink(missing_ok=True)


def read_mark(state_dir: Path) -> UnfinishedRestore | None:
    try:
        return UnfinishedRestore(**json.loads((state_dir / _FILE).read_bytes()))
    except FileNotFoundError:
        return None


def refuse_while_restoring(state_dir: Path) -> None:
    """For backups, after they took the host's lock: whoever left the mark is gone then.

    Raises:
        AlreadyRunningError: a restore was interrupted and not finished.
    """
    restore = read_mark(state_dir)
    if restore is None:
        return
    raise AlreadyRunningError(
        f"A restore of {restore.backup_id} was interrupted, so the data may be half replaced.",
        remedy=f"Finish it: {restore.command}. Or give it up: onyx restore --give-up.",
    )
