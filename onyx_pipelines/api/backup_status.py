"""How far a backup is, from the catalog, the lock, Dagster, and the sealed bytes that lie there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.dagster_client import DagsterClient
from onyx_pipelines.api.models import BackupStatus
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.set_answers import status_answer
from onyx_pipelines.backup.host import configured_sources, open_host
from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.layout import set_prefix
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.scanning import DamagedSet, StoredSet, look_at
from onyx_pipelines.vault.writing import SetWriter

# Only a set that is listed is finished.
_ALMOST = 99.0


class BackupStatuses:
    """Remembers what it has shown: a retried component begins anew, but no progress goes back."""

    def __init__(self, settings: Settings, dagster: DagsterClient, catalog: CatalogCache) -> None:
        self._settings = settings
        self._dagster = dagster
        self._catalog = catalog
        self._shown: dict[str, float] = {}

    def of(self, backup_id: str) -> BackupStatus:
        """From the catalog where the set is there, else from Dagster and what lies there by now.

        Raises:
            ProblemError: 404, there is no such backup; 503, Dagster would know and does not answer.
        """
        copies, unreadable = self._copies(backup_id)
        if copies or unreadable:
            return status_answer(backup_id, copies, unreadable)
        done = self._finished_components(backup_id)
        is_running = self._is_running(backup_id, has_begun=bool(done))
        return BackupStatus(
            backup_id=backup_id,
            status="in_progress" if is_running else "failed",
            progress=self._progress(backup_id, done),
            components_completed=done,
        )

    def _is_running(self, backup_id: str, *, has_begun: bool) -> bool:
        holder = current_holder(self._settings.state_dir)
        if holder is not None and holder.backup_id == backup_id:
            return True
        run = self._dagster.run_with_tag(Tag.BACKUP_ID, backup_id) or self._dagster.run(backup_id)
        if run is None and not has_begun:
            raise ProblemError(
                404,
                f"There is no backup {backup_id}.",
                remedy="GET /api/backup/sets lists those that are finished.",
            )
        return run is not None and run.is_unfinished

    def _copies(self, backup_id: str) -> tuple[list[StoredSet], list[DamagedSet]]:
        """What the stores have of the set now, and manifests of it that nobody can read. One that
        does not answer hides no sound copy in the other."""
        host = open_host(self._settings)
        copies: list[StoredSet] = []
        unreadable: list[DamagedSet] = []
        silent: list[StoreError] = []
        for store in host.stores:
            try:
                found = look_at(store, backup_id, host.trust.signers)
            except StoreError as error:
                silent.append(error)
                continue
            if isinstance(found, StoredSet):
                copies.append(found)
            elif isinstance(found, DamagedSet):
                unreadable.append(found)
        if silent and not any(each.is_sound for each in copies):
            raise silent[0]
        return copies, unreadable

    def _finished_components(self, backup_id: str) -> list[Component]:
        host = open_host(self._settings)
        done = SetWriter(host.first, backup_id, ()).finished_components()
        return [component for component in Component if component in done]

    def _progress(self, backup_id: str, done: Sequence[Component]) -> float:
        configured = tuple(each.value for each in configured_sources(self._settings))
        sizes: dict[str, int] = {}
        for _, view in self._catalog.listed().sets[:1]:
            sizes = {
                record.component.value: record.sealed_bytes
                for record in view.manifest.components.values()
            }
        value = progress_percent(
            written_bytes(self._settings.places[0].directory, backup_id),
            expected_bytes(sizes, configured),
            components_done=len(done),
            components=len(configured),
        )
        self._shown[backup_id] = max(value, self._shown.get(backup_id, 0.0))
        if len(self._shown) > 1000:
            self._shown.pop(next(iter(self._shown)))
        return self._shown[backup_id]


def written_bytes(directory: Path | None, backup_id: str) -> int:
    """Of everything of a set that lies in the first store by now, half-written objects too; 0
    where that is no directory."""
    total = 0
    found = (directory / set_prefix(backup_id)).rglob("*") if directory else ()
    for path in found:
        with suppress(OSError):  # renamed meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def progress_percent(
    written: int, expected: int | None, *, components_done: int, components: int
) -> float:
    """0 to 99. Without an earlier set only finished components count."""
    by_components = 100.0 * components_done / components if components else 0.0
    by_bytes = 100.0 * written / expected if expected else 0.0
    return round(min(_ALMOST, max(by_bytes, by_components)), 1)


def expected_bytes(sizes: Mapping[str, int], components: tuple[str, ...]) -> int | None:
    """Of these components in the last set; None if it lacks one."""
    if any(name not in sizes for name in components):
        return None
    return sum(sizes[name] for name in components)
