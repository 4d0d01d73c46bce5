"""The Dagster code location: merges what the capability folders define, and nothing more.

Loading it touches no network and needs no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import dagster as dg

from onyx_pipelines.backup.definitions import backup_definitions
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.retries import FIRST_WAIT_S
from onyx_pipelines.core.settings import load_stacks
from onyx_pipelines.errors.definitions import error_definitions
from onyx_pipelines.errors.sensors import SERVICE
from onyx_pipelines.health.assets import stack_health_asset
from onyx_pipelines.load_test.definitions import load_test_definitions
from onyx_pipelines.monitoring.definitions import monitoring_definitions
from onyx_pipelines.orchestration.audit_sensor import audit_of_manual_runs
from onyx_pipelines.orchestration.notification_sensors import (
    notification_delivery,
    run_notification,
)
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.stacks import for_stacks
from onyx_pipelines.readiness.definitions import readiness_definitions
from onyx_pipelines.readiness.whole_stack import examine_whole
from onyx_pipelines.restore.definitions import restore_definitions


def build_defs(
    overrides: Mapping[str, Any] | None = None, *, retry_delay_s: float = FIRST_WAIT_S
) -> dg.Definitions:
    """The graph; tests give settings that differ from the environment."""
    onyx = OnyxSettings(overrides=dict(overrides or {}))
    stacks = onyx.stacks
    merged = dg.Definitions.merge(
        backup_definitions(
            onyx,
            fail_after_hours=None if stacks else onyx.load().backup_max_age_hours,
            retry_delay_s=retry_delay_s,
        ),
        restore_definitions(onyx),
        load_test_definitions(onyx),
        monitoring_definitions(),
        error_definitions(),
        dg.Definitions(assets=[stack_health_asset(examine_whole)]),
        readiness_definitions(),
        # Dumps are child processes: steps in processes of their own would only add seconds.
        dg.Definitions(
            executor=dg.in_process_executor,
            resources={"onyx": onyx},
            sensors=[audit_of_manual_runs, run_notification, notification_delivery],
        ),
    )
    return for_stacks(merged, stacks)


def _report_own_errors() -> None:
    """Of the processes that load this: the code server, and each run."""
    with suppress(SettingsError):  # whoever needs the settings says so
        settings = load_stacks()[0]
        if settings.sentry_dsn.get_secret_value():
            from onyx_pipelines.errors.tracking import start_own_error_tracking

            start_own_error_tracking(settings, SERVICE)


_report_own_errors()
defs = build_defs()
