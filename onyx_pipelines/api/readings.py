"""What the endpoints read: the catalog, the lock, Dagster's runs and the folders of load tests."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.dagster_client import DagsterClient, Run
from onyx_pipelines.api.models import (
    BackupStatus,
    LoadTestMetrics,
    LoadTestResults,
    RunAnswer,
    RunState,
    SetAnswer,
    SetsAnswer,
)
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.progress import (
    Monotonic,
    expected_bytes,
    progress_percent,
    written_bytes,
)
from onyx_pipelines.api.set_answers import faulty_answer, set_answer, status_answer
from onyx_pipelines.backup.host import configured_sources, open_host
from onyx_pipelines.backup.retained_sets import sentence_on_damaged
from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import BYTES_PER_GB
from onyx_pipelines.load_test import steps as load_tests
from onyx_pipelines.load_test.results import Measure
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.scanning import DamagedSet, StoredSet, look_at
from onyx_pipelines.vault.writing import SetWriter


class Readings:
    """Of one host."""

    def __init__(self, settings: Settings, dagster: DagsterClient) -> None:
        self.settings = settings
        self._dagster = dagster
        self.catalog = CatalogCache(settings)
        self._shown = Monotonic()

    def sets(self, offset: int, limit: int) -> SetsAnswer:
        listed = self.catalog.listed()
        return SetsAnswer(
            sets=[set_answer(*each) for each in listed.sets[offset : offset + limit]],
            total=len(listed.sets),
            damaged=[faulty_answer(each) for each in listed.damaged],
            untrusted=[faulty_answer(each) for each in listed.untrusted],
        )

    def set(self, backup_id: str) -> SetAnswer:
        """Raises ProblemError: 404; 409, there is one, and no store has it whole."""
        listed = self.catalog.listed()
        for row, view in listed.sets:
            if row.backup_id == backup_id:
                return set_answer(row, view)
        damaged = [each for each in listed.damaged if each.backup_id == backup_id]
        if damaged:
            raise ProblemError(
                409,
                sentence_on_damaged(damaged),
                remedy="Take another set: GET /api/backup/sets lists those that are whole.",
            )
        raise ProblemError(
            404,
            f"There is no finished backup {backup_id}.",
            remedy="GET /api/backup/sets lists those that there are.",
        )

    def backup_status(self, backup_id: str) -> BackupStatus:
        """From the catalog where the set is there, else from Dagster and what lies there by now.

        Raises:
            ProblemError: 404, there is no such backup; 503, Dagster would know and does not answer.
        """
        copies, unreadable = self._copies(backup_id)
        if copies or unreadable:
            return status_answer(backup_id, copies, unreadable)
        done = self._finished_components(backup_id)
        holder = current_holder(self.settings.state_dir)
        if holder is None or holder.backup_id != backup_id:
            run = self._dagster.run_with_tag(Tag.BACKUP_ID, backup_id) or self._dagster.run(
                backup_id
            )
            if run is None and not done:
                raise ProblemError(
                    404,
                    f"There is no backup {backup_id}.",
                    remedy="GET /api/backup/sets lists those that are finished.",
                )
            if run is None or not run.is_unfinished:
                return BackupStatus(
                    backup_id=backup_id,
                    status="failed",
                    progress=self._progress(backup_id, done),
                    components_completed=done,
                )
        return BackupStatus(
            backup_id=backup_id,
            status="in_progress",
            progress=self._progress(backup_id, done),
            components_completed=done,
        )

    def load_test_results(self, test_id: str) -> LoadTestResults:
        """By the id that starting it gave, or a run's key.

        Raises:
            ProblemError: 404; 503, Dagster would know and does not answer.
        """
        folder = None
        with suppress(NotFoundError):
            folder = load_tests.find_run(self.settings, label=test_id)
        run = self._dagster.run(test_id) if _is_uuid(test_id) else None
        if folder is None and run is None:
            folder = load_tests.find_run(self.settings, test_id)
        if run is not None and run.is_unfinished:
            return LoadTestResults(test_id=test_id, status=RunState.RUNNING, metrics=None)
        if folder is None or (run is not None and run.status != "SUCCESS"):
            return LoadTestResults(test_id=test_id, status=RunState.FAILED, metrics=None)
        result = load_tests.result_of(self.settings, folder)
        measured = [each for each in result.summaries if each.measure is not Measure.FIRST_TOKEN]
        first = measured[0] if measured else None
        p95 = first.percentile(0.95) if first else None
        memory = result.peak_memory_bytes
        return LoadTestResults(
            test_id=test_id,
            status=RunState.COMPLETED,
            verdict=result.verdict.value,
            metrics=LoadTestMetrics(
                avg_latency_ms=first.mean_ms if first else None,
                p95_latency_ms=p95.value if p95 else None,
                requests_per_second=first.throughput_per_s if first else None,
                error_rate=first.error_rate if first else None,
                peak_memory_gb=None if memory is None else memory / BYTES_PER_GB,
            ),
        )

    def run_state(self, run_id: str) -> RunAnswer:
        """Raises ProblemError: 404."""
        run = self._dagster.run(run_id)
        if run is None:
            raise ProblemError(404, f"There is no run {run_id}.", remedy="Look at its id.")
        return _run_answer(run)

    def _copies(self, backup_id: str) -> tuple[list[StoredSet], list[DamagedSet]]:
        """What the stores have of the set now, and manifests of it that nobody can read. One that
        does not answer hides no sound copy in the other."""
        host = open_host(self.settings)
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
        host = open_host(self.settings)
        done = SetWriter(host.local, backup_id, ()).finished_components()
        return [component for component in Component if component in done]

    def _progress(self, backup_id: str, done: Sequence[Component]) -> float:
        configured = tuple(each.value for each in configured_sources(self.settings))
        sizes: dict[str, int] = {}
        for _, view in self.catalog.listed().sets[:1]:
            sizes = {
                record.component.value: record.sealed_bytes
                for record in view.manifest.components.values()
            }
        value = progress_percent(
            written_bytes(self.settings.backup_dir, backup_id),
            expected_bytes(sizes, configured),
            components_done=len(done),
            components=len(configured),
        )
        return self._shown.at_least(backup_id, value)


def _run_answer(run: Run) -> RunAnswer:
    if run.is_unfinished:
        state = RunState.RUNNING
    else:
        state = RunState.COMPLETED if run.status == "SUCCESS" else RunState.FAILED
    return RunAnswer(run_id=run.run_id, status=state, job=run.job)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
