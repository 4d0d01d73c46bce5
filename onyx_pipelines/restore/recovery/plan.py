"""What a restore would do and how long it should take, for a person who decides. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.components import code_of
from onyx_pipelines.restore.engine import PlannedChange
from onyx_pipelines.restore.finding_sets import FoundSet, find_set
from onyx_pipelines.restore.objects import SetObjects, open_set
from onyx_pipelines.restore.recovery.estimate import Estimate, estimate
from onyx_pipelines.restore.report.history import read_history
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.host_keys import required_private_key
from onyx_pipelines.vault.trust import Trust


@dataclass(frozen=True)
class RestorePlan:
    """`changes`: per component, in the order of restoring. `notes`: what a person should know."""

    backup_id: str
    store: str
    recovery_point: datetime
    changes: Mapping[Component, tuple[PlannedChange, ...]]
    estimate: Estimate
    notes: tuple[str, ...]

    @property
    def components(self) -> tuple[Component, ...]:
        return tuple(self.changes)

    @property
    def overwritten(self) -> tuple[Component, ...]:
        """Components of which something would be replaced."""
        return tuple(
            part for part, changes in self.changes.items() if any(c.overwrites for c in changes)
        )


def plan_restore(
    settings: Settings, choice: RestoreChoice, *, backup_id: str, store_name: str | None
) -> RestorePlan:
    """Look at the set and at the targets; nothing is touched.

    Raises:
        NotFoundError: there is no such set.
        KeyFileError: this host cannot open it.
        SettingsError, RestoreError: the choice fits neither the set nor the target.
        SourceError, StoreError: a target or the store does not answer.
    """
    found = find_set(settings, backup_id, store_name)
    key, signers = required_private_key(settings), Trust.of(settings).signers
    objects = open_set(found.store, found.backup_id, key, signers)
    return plan_found(settings, choice, found, objects)


def plan_found(
    settings: Settings, choice: RestoreChoice, found: FoundSet, objects: SetObjects
) -> RestorePlan:
    """The same for a set that is open."""
    choice.refuse_to_force_another(found.backup_id)
    present = [record.component for record in objects.manifest.components.values()]
    chosen = choice.components_of(present)
    changes = {part: tuple(code_of(part).plan(objects, choice, settings)) for part in chosen}
    sizes = {part: _asked_bytes(objects, part, choice.names_of(part)) for part in chosen}
    expected = estimate(sizes, read_history(settings.reports_dir))
    return RestorePlan(
        backup_id=found.backup_id,
        store=found.store.name,
        recovery_point=found.view.timestamp,
        changes=changes,
        estimate=replace(expected, is_limit=expected.is_limit or choice.is_within_one),
        notes=found.notes,
    )


def _asked_bytes(objects: SetObjects, part: Component, names: Collection[str]) -> int:
    records = objects.records(part)
    return sum(each.plain_bytes for each in records if not names or each.name in names)
