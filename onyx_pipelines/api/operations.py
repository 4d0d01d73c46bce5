"""What the endpoints do: launch through Dagster, cancel, make a load test the baseline."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Final

from onyx_pipelines.api.access import Caller
from onyx_pipelines.api.dagster_client import DagsterClient, Run
from onyx_pipelines.api.launching import Asked, Launch, Launcher
from onyx_pipelines.api.models import (
    BaselineAnswer,
    LoadTestAnswer,
    LoadTestRequest,
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
from onyx_pipelines.api.readings import Readings
from onyx_pipelines.audit import audited
from onyx_pipelines.backup.host import configured_sources, open_host
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.names import AFTER_SET, BACKUP_ASSETS, DRILL_ASSETS, Asset, Job, Op, Tag
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.load_test import steps as load_tests
from onyx_pipelines.load_test.plan import QUICK, Profile, expected_seconds, plan
from onyx_pipelines.load_test.results import Scenario
from onyx_pipelines.restore.recovery import RestoreChoice, RestorePlan, plan_restore
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.stores import store_named

_LIKELY_S: Final = 1.0

Audit = Callable[[], AbstractContextManager[object]]


class Operations:
    """Of one host."""

    def __init__(
        self, settings: Settings, dagster: DagsterClient, launcher: Launcher, readings: Readings
    ) -> None:
        self.settings = settings
        self._dagster = dagster
        self._launcher = launcher
        self._readings = readings

    def trigger(self, wanted: TriggerRequest, asked: Asked) -> TriggerAnswer:
        """Launch a backup unless one runs or waits."""
        self._require_configured(wanted.components)
        sent = wanted.model_dump(mode="json")

        def decide() -> Launch[TriggerAnswer] | TriggerAnswer:
            running = self._running_backup()
            if running:
                return TriggerAnswer(backup_id=running, status="already_running")
            backup_id = str(uuid.uuid4())
            assets = [BACKUP_ASSETS[each] for each in wanted.components]
            return Launch(
                Job.BACKUP,
                config={
                    "ops": {Asset.BACKUP_SET: {"config": {"backup_type": wanted.backup_type.name}}}
                },
                answer=TriggerAnswer(backup_id=backup_id, status="started"),
                audit=self._audit(asked.caller, "backup", sent, backup_id),
                tags={**asked.caller.origin.as_tags(), Tag.BACKUP_ID: backup_id},
                assets=[*assets, Asset.BACKUP_SET, *AFTER_SET] if assets else (),
            )

        return self._launcher.once(asked, TriggerAnswer, decide)

    def _running_backup(self) -> str | None:
        running = self._dagster.unfinished(Job.BACKUP)
        if running:
            return _set_of(running[0])
        holder = current_holder(self.settings.state_dir)
        return None if holder is None else holder.backup_id

    def restore(self, backup_id: str, wanted: RestoreRequest, asked: Asked) -> RestoreAnswer:
        """Launch a restore; without `confirm` only its plan is answered, as a problem."""
        if known := self._launcher.known(asked, RestoreAnswer):
            return known
        found = plan_restore(
            self.settings,
            RestoreChoice(components=wanted.components),
            backup_id=backup_id,
            store_name=None,
        )
        answer = _planned(found)
        if not wanted.confirm:
            raise ProblemError(
                409,
                "Nothing was changed: the restore was not confirmed.",
                remedy="Look at the plan, and send it again with `confirm: true`.",
                more=answer.model_dump(mode="json", exclude={"restore_id"}),
            )
        config = {
            "backup_id": found.backup_id,
            "confirm": True,
            "components": [each.value for each in wanted.components],
        }
        launch = Launch(
            Job.RESTORE,
            config={"ops": {Op.RESTORE: {"config": config}}},
            answer=answer,
            id_field="restore_id",
            audit=self._audit(asked.caller, "restore", config, found.backup_id, required=True),
            tags=asked.caller.origin.as_tags(),
        )
        return self._launcher.once(asked, RestoreAnswer, lambda: launch)

    def drill(self, backup_id: str, asked: Asked) -> RunAnswer:
        """Launch a restore drill of a set."""
        if known := self._launcher.known(asked, RunAnswer):
            return known
        wanted = self._id_of(backup_id)
        config = {"config": {"backup_id": wanted}}
        return self._launch_run(
            asked,
            Job.DRILL,
            dict.fromkeys((*DRILL_ASSETS.values(), Asset.DRILL_REPORT), config),
            self._audit(asked.caller, "drill", {"set": wanted}, wanted),
        )

    def verify(self, backup_id: str, wanted: VerifyRequest, asked: Asked) -> RunAnswer:
        """Launch a verification of a set, damaged ones too: naming the damage is its purpose."""
        if known := self._launcher.known(asked, RunAnswer):
            return known
        host = open_host(self.settings)
        if wanted.store:
            store_named(host.stores, wanted.store)
        found = host.catalog.identify(backup_id)
        config = {"backup_id": found, **wanted.model_dump(mode="json")}
        return self._launch_run(
            asked,
            Job.VERIFY,
            {Op.VERIFY: {"config": config}},
            self._audit(asked.caller, "verify", config, found),
        )

    def start_load_test(self, wanted: LoadTestRequest, asked: Asked) -> LoadTestAnswer:
        """Launch a load test of one scenario; refused where no target is set."""
        load_tests.target_of(self.settings)
        seconds = expected_seconds(plan(_profile(wanted)), _LIKELY_S)
        config = {
            "profile": "quick",
            "scenarios": [wanted.scenario.name],
            "users": wanted.concurrent_users,
            "step_seconds": float(wanted.duration_seconds),
        }
        launch = Launch(
            Job.LOAD_TEST,
            config={"ops": {Asset.SAMPLES: {"config": config}}},
            answer=LoadTestAnswer(test_id="", estimated_duration_minutes=_minutes(seconds)),
            id_field="test_id",
            audit=self._audit(asked.caller, "load test", wanted.model_dump(mode="json"), None),
            tags=asked.caller.origin.as_tags(),
        )
        return self._launcher.once(asked, LoadTestAnswer, lambda: launch)

    def promote(self, test_id: str, reason: str, caller: Caller) -> BaselineAnswer:
        """Make a load test the baseline of its environment."""
        try:
            folder = load_tests.find_run(self.settings, label=test_id)
        except NotFoundError:
            folder = load_tests.find_run(self.settings, test_id)
        with self._audit(caller, "load-test baseline promote", {"run": folder.run_key}, None)():
            made = load_tests.promote(self.settings, folder, by=caller.name, reason=reason)
        return BaselineAnswer(
            baseline_id=made.baseline_id, run_key=made.run_key, promoted_by=made.promoted_by
        )

    def cancel(self, run_id: str, caller: Caller) -> RunAnswer:
        before = self._readings.run_state(run_id)
        with self._audit(caller, "cancel", {"run": run_id}, None)():
            self._dagster.cancel(run_id)
        # It is cancelled, whether or not Dagster can still say so.
        with suppress(ProblemError):
            return self._readings.run_state(run_id)
        return before

    def _launch_run(
        self, asked: Asked, job: str, ops: Mapping[str, Any], audit: Audit
    ) -> RunAnswer:
        launch = Launch(
            job,
            config={"ops": ops},
            answer=RunAnswer(run_id="", status=RunState.RUNNING, job=job),
            id_field="run_id",
            audit=audit,
            tags=asked.caller.origin.as_tags(),
        )
        return self._launcher.once(asked, RunAnswer, lambda: launch)

    def _id_of(self, text: str) -> str:
        return open_host(self.settings).catalog.find(text).backup_id

    def _require_configured(self, components: Sequence[Component]) -> None:
        missing = set(components) - set(configured_sources(self.settings))
        if missing:
            names = ", ".join(sorted(each.value for each in missing))
            raise ProblemError(
                409,
                f"This host has no {names} to back up.",
                remedy="Leave it out, or configure it (docs/configuration.md).",
            )

    def _audit(
        self,
        caller: Caller,
        action: str,
        parameters: Mapping[str, object],
        backup_id: str | None,
        *,
        required: bool = False,
    ) -> Audit:
        return partial(
            audited,
            self.settings,
            action=f"api {action}",
            origin=caller.origin,
            parameters=parameters,
            backup_id=backup_id,
            required=required,
            copy=False,
        )


def _set_of(run: Run) -> str:
    return run.tags.get(Tag.BACKUP_ID) or run.tags.get("dagster/root_run_id") or run.run_id


def _planned(found: RestorePlan) -> RestoreAnswer:
    seconds = found.estimate.seconds
    return RestoreAnswer(
        restore_id="",
        estimated_time_minutes=None if seconds is None else _minutes(seconds),
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


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


def _profile(wanted: LoadTestRequest) -> Profile:
    changes: dict[str, Any] = {
        "scenarios": (Scenario(wanted.scenario),),
        "users": wanted.concurrent_users,
        "step_s": float(wanted.duration_seconds),
    }
    return Profile.model_validate({**QUICK.model_dump(), **changes})
