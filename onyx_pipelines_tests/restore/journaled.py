"""One component of a set, planned and restored as the whole restore does it: with a journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore import components
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.journal import RestoreJournal, request_digest
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects


def planned(
    component: Component, objects: SetObjects, choice: RestoreChoice, settings: Settings
) -> Sequence[PlannedChange]:
    return components.restoration(component, objects, choice, settings).plan()


def restored(work: Work, choice: RestoreChoice, *, force: bool = False) -> ComponentResult:
    """The journal is open until nothing is unfinished, so that the same call goes on."""
    restoration = components.restoration(work.component, work.objects, choice, work.settings)
    asked = request_digest(work.objects.manifest.backup_id, choice)
    journal = RestoreJournal.open(work.settings.state_dir, "a set", asked, datetime.now(UTC))
    if force:
        journal.force("the set")
    result = restoration.restore(work, journal)
    journal.end([result])
    return result
