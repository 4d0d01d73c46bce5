"""What the endpoints do: launch through Dagster, read the catalog, the lock and the run folders."""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from onyx_pipelines.api.access import Caller
from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.dagster_client import DagsterClient, Run
from onyx_pipelines.api.models import (
    BackupStatus,
    BaselineAnswer,
    LoadTestAnswer,
    LoadTestMetrics,
    LoadTestRequest,
    LoadTestResults,
    PlannedStep,
    RestoreAnswer,
    RestoreRequest,
    RunAnswer,
    RunState,
    TriggerAnswer,
    TriggerRequest,
    VerifyRequest,
)
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.progress import (
    Monotonic,
    expected_bytes,
    progress_percent,
    written_bytes,
)
from onyx_pipelines.audit import audited
from onyx_pipelines.backup.host import configured_sources, open_host
from onyx_pipelines.errors import NotFoundError
from onyx_pipelines.load_test import steps as load_tests
from onyx_pipelines.load_test.plan import QUICK, Profile, expected_seconds, plan
from onyx_pipelines.load_test.results import Measure, Scenario
from onyx_pipelines.restore.recovery import RestoreChoice, plan_restore
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.reading import load_manifest
from onyx_pipelines.vault.writing import SetWriter

BACKUP_JOB: Final = "nightly_backup"
VERIFICATION_JOB: Final = "verify_backups"
LOAD_TEST_JOB: Final = "load_test"
_BACKUP_TAG: Final = "onyx/backup_id"
_KEY_TAG: Final = "onyx/idempotency_key"
_COMPONENT_ASSETS: Final = {
    Component.POSTGRESQL: "postgres_backup",
    Component.QDRANT: "qdrant_backup",
    Component.VOLUMES: "volumes_backup",
}
_AFTER_COMPONENTS: Final = ("backup_set", "offsite_copy", "backup_retention")
_LIKELY_S: Final = 1.0


class Operations:
    """Of one host."""

    def __init__(self, settings: Settings, dagster: DagsterClient) -> None:
        self.settings = settings
        self._dagster = dagster
        self.catalog = CatalogCache(settings)
        self._shown = Monotonic()

    def trigger(self, wanted: TriggerRequest, caller: Caller, key: str) -> TriggerAnswer:
        """Launch a backup unless one runs or waits; the same key gives the same backup."""
        self._require_configured(wanted.components)
        with self._one_at_a_time():
            if key and (known := self._dagster.run_with_tag(_KEY_TAG, _marked(caller, key))):
                return TriggerAnswer(backup_id=_set_of(known), status="started")
            running = self._dagster.unfinished(BACKUP_JOB)
            if running:
                return TriggerAnswer(backup_id=_set_of(running[0]), status="already_running")
            holder = current_holder(self.settings.state_dir)
            if holder is not None:
                return TriggerAnswer(backup_id=holder.backup_id, status="already_running")
            backup_id = str(uuid.uuid4())
            assets = [_COMPONENT_ASSETS[each] for each in wanted.components]
            with self._recorded(caller, "backup", wanted.model_dump(mode="json"), backup_id):
                self._dagster.launch(
                    BACKUP_JOB,
                    config={
                        "ops": {"backup_set": {"config": {"backup_type": wanted.backup_type.name}}}
                    },
                    tags={**self._tags(caller, key), _BACKUP_TAG: backup_id},
                    assets=[*assets, *_AFTER_COMPONENTS] if assets else (),
                )
        return TriggerAnswer(backup_id=backup_id, status="started")

    def backup_status(self, backup_id: str) -> BackupStatus:
        """From the catalog where the set is there, else from Dagster and what lies there by now.

        Raises:
            ProblemError: 404, there is no such backup; 503, Dagster would know and does not answer.
        """
        manifest = self._manifest(backup_id)
        if manifest is not None:
            return BackupStatus(
                backup_id=backup_id,
                status="completed",
                progress=100.0,
                components_completed=_components(manifest),
            )
        done = self._finished_components(backup_id)
        holder = current_holder(self.settings.state_dir)
        if holder is None or holder.backup_id != backup_id:
            run = self._dagster.run_with_tag(_BACKUP_TAG, backup_id) or self._dagster.run(backup_id)
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

    def restore(
        self, backup_id: str, wanted: RestoreRequest, caller: Caller, key: str
    ) -> RestoreAnswer:
        """Launch a restore; without `confirm` only its plan is answered, as a problem."""
        found = plan_restore(
            self.settings,
            RestoreChoice(components=wanted.components),
            backup_id=backup_id,
            store_name=None,
        )
        seconds = found.estimate.seconds
        answer = RestoreAnswer(
            restore_id="",
            estimated_time_minutes=None if seconds is None else max(1, math.ceil(seconds / 60)),
            estimate_basis=found.estimate.basis,
            plan=[
                PlannedStep(
                    component=component,
                    what=change.what,
                    target=change.target,
                    overwrites=change.overwrites,
                    detail=change.detail,
                )
                for component, changes in found.changes.items()
                for change in changes
            ],
        )
        if not wanted.confirm:
            raise ProblemError(
                409,
                "Nothing was changed: the restore was not confirmed.",
                remedy="Look at the plan, and send it again with `confirm: true`.",
                more=answer.model_dump(mode="json", exclude={"restore_id"}),
            )
        if key and (known := self._dagster.run_with_tag(_KEY_TAG, _marked(caller, key))):
            return answer.model_copy(update={"restore_id": known.run_id})
        config = {
            "backup_id": found.backup_id,
            "confirm": True,
            "components": [each.value for each in wanted.components],
        }
        with self._recorded(caller, "restore", config, found.backup_id, required=True):
            run_id = self._dagster.launch(
                "restore_from_backup",
                config={"ops": {"restore": {"config": config}}},
                tags=self._tags(caller, key),
            )
        return answer.model_copy(update={"restore_id": run_id})

    def drill(self, backup_id: str, caller: Caller, key: str) -> RunAnswer:
        """Launch a restore drill of a set."""
        host = open_host(self.settings)
        wanted = Catalog(host.stores).find(backup_id).backup_id
        if key and (known := self._dagster.run_with_tag(_KEY_TAG, _marked(caller, key))):
            return _run_answer(known)
        config = {"config": {"backup_id": wanted}}
        steps = (
            *("postgres_restore_drill", "qdrant_restore_drill", "volumes_restore_drill"),
            "restore_drill_report",
        )
        with self._recorded(caller, "drill", {"set": wanted}, wanted):
            run_id = self._dagster.launch(
                "restore_drill",
                config={"ops": dict.fromkeys(steps, config)},
                tags=self._tags(caller, key),
            )
        return RunAnswer(run_id=run_id, status=RunState.RUNNING, job="restore_drill")

    def verify(self, backup_id: str, wanted: VerifyRequest, caller: Caller, key: str) -> RunAnswer:
        """Launch a verification of a set."""
        found = Catalog(open_host(self.settings).stores).find(backup_id).backup_id
        if key and (known := self._dagster.run_with_tag(_KEY_TAG, _marked(caller, key))):
            return _run_answer(known)
        config = {"backup_id": found, **wanted.model_dump(mode="json")}
        with self._recorded(caller, "verify", config, found):
            run_id = self._dagster.launch(
                VERIFICATION_JOB,
                config={"ops": {"verify_sets": {"config": config}}},
                tags=self._tags(caller, key),
            )
        return RunAnswer(run_id=run_id, status=RunState.RUNNING, job=VERIFICATION_JOB)

    def start_load_test(self, wanted: LoadTestRequest, caller: Caller, key: str) -> LoadTestAnswer:
        """Launch a load test of one scenario; refused where no target is set."""
        load_tests.target_of(self.settings)
        profile = _profile(wanted)
        minutes = max(1, math.ceil(expected_seconds(plan(profile), _LIKELY_S) / 60))
        if key and (known := self._dagster.run_with_tag(_KEY_TAG, _marked(caller, key))):
            return LoadTestAnswer(test_id=known.run_id, estimated_duration_minutes=minutes)
        config = {
            "profile": "quick",
            "scenarios": [wanted.scenario.name],
            "users": wanted.concurrent_users,
            "step_seconds": float(wanted.duration_seconds),
        }
        with self._recorded(caller, "load test", wanted.model_dump(mode="json"), None):
            run_id = self._dagster.launch(
                LOAD_TEST_JOB,
                config={"ops": {"load_test_samples": {"config": config}}},
                tags=self._tags(caller, key),
            )
        return LoadTestAnswer(test_id=run_id, estimated_duration_minutes=minutes)

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
                peak_memory_gb=None if memory is None else memory / 2**30,
            ),
        )

    def promote(self, test_id: str, reason: str, caller: Caller) -> BaselineAnswer:
        """Make a load test the baseline of its environment."""
        try:
            folder = load_tests.find_run(self.settings, label=test_id)
        except NotFoundError:
            folder = load_tests.find_run(self.settings, test_id)
        with self._recorded(caller, "load-test baseline promote", {"run": folder.run_key}, None):
            made = load_tests.promote(self.settings, folder, by=caller.name, reason=reason)
        return BaselineAnswer(
            baseline_id=made.baseline_id, run_key=made.run_key, promoted_by=made.promoted_by
        )

    def run_state(self, run_id: str) -> RunAnswer:
        """Raises ProblemError: 404."""
        run = self._dagster.run(run_id)
        if run is None:
            raise ProblemError(404, f"There is no run {run_id}.", remedy="Look at its id.")
        return _run_answer(run)

    def cancel(self, run_id: str, caller: Caller) -> RunAnswer:
        with self._recorded(caller, "cancel", {"run": run_id}, None):
            self._dagster.cancel(run_id)
        return self.run_state(run_id)

    def _manifest(self, backup_id: str) -> Manifest | None:
        for store in open_host(self.settings).stores:
            with suppress(NotFoundError):
                return load_manifest(store, backup_id)
        return None

    def _finished_components(self, backup_id: str) -> list[Component]:
        host = open_host(self.settings)
        done = SetWriter(host.local, backup_id, ()).finished_components()
        return [component for component in Component if component in done]

    def _progress(self, backup_id: str, done: Sequence[Component]) -> float:
        configured = tuple(each.value for each in configured_sources(self.settings))
        rows = self.catalog.rows()
        sizes: dict[str, int] = {}
        manifest = self._manifest(rows[0].backup_id) if rows else None
        if manifest:
            sizes = {
                record.component.value: record.sealed_bytes
                for record in manifest.components.values()
            }
        value = progress_percent(
            written_bytes(self.settings.backup_dir, backup_id),
            expected_bytes(sizes, configured),
            components_done=len(done),
            components=len(configured),
        )
        return self._shown.at_least(backup_id, value)

    def _require_configured(self, components: Sequence[Component]) -> None:
        missing = set(components) - set(configured_sources(self.settings))
        if missing:
            names = ", ".join(sorted(each.value for each in missing))
            raise ProblemError(
                409,
                f"This host has no {names} to back up.",
                remedy="Leave it out, or configure it (docs/configuration.md).",
            )

    def _tags(self, caller: Caller, key: str) -> dict[str, str]:
        tags = caller.origin.as_tags()
        return {**tags, _KEY_TAG: _marked(caller, key)} if key else tags

    @contextmanager
    def _recorded(
        self,
        caller: Caller,
        action: str,
        parameters: dict[str, Any],
        backup_id: str | None,
        *,
        required: bool = False,
    ) -> Iterator[None]:
        with audited(
            self.settings,
            action=f"api {action}",
            origin=caller.origin,
            parameters=parameters,
            backup_id=backup_id,
            required=required,
            copy=False,
        ):
            yield

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Between looking whether a backup runs and launching one, in every process of the API."""
        folder = self.settings.state_dir / "api"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "launch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _set_of(run: Run) -> str:
    return run.tags.get(_BACKUP_TAG) or run.tags.get("dagster/root_run_id") or run.run_id


def _marked(caller: Caller, key: str) -> str:
    """A key is its sender's own."""
    return hashlib.sha256(f"{caller.name}\0{key}".encode()).hexdigest()[:32]


def _components(manifest: Manifest) -> list[Component]:
    there = {record.component for record in manifest.components.values()}
    return [component for component in Component if component in there]


def _run_answer(run: Run) -> RunAnswer:
    if run.is_unfinished:
        state = RunState.RUNNING
    else:
        state = RunState.COMPLETED if run.status == "SUCCESS" else RunState.FAILED
    return RunAnswer(run_id=run.run_id, status=state, job=run.job)


def _profile(wanted: LoadTestRequest) -> Profile:
    changes: dict[str, Any] = {
        "scenarios": (Scenario(wanted.scenario),),
        "users": wanted.concurrent_users,
        "step_s": float(wanted.duration_seconds),
    }
    return Profile.model_validate({**QUICK.model_dump(), **changes})


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
