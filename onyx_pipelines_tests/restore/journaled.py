"""One component's restore with a journal of its own, as the whole restore keeps it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from onyx_pipelines.restore.journal import RestoreJournal, request_digest
from onyx_pipelines.restore.results import ComponentResult


def with_journal(
    state_dir: Path,
    asked: object,
    restore: Callable[[RestoreJournal], ComponentResult],
    *,
    force: bool = False,
) -> ComponentResult:
    """Open until nothing is unfinished, so that the same call goes on."""
    journal = RestoreJournal.open(state_dir, "a set", request_digest(asked), datetime.now(UTC))
    if force:
        journal.force("the set")
    result = restore(journal)
    journal.end([result])
    return result
