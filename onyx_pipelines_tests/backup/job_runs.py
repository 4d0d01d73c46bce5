"""Runs of our Dagster jobs on a real instance, with no wait before a retry."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from onyx_pipelines.definitions import build_defs
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


def run_job(
    instance: dg.DagsterInstance,
    name: str = "nightly_backup",
    *,
    only: Sequence[str] | None = None,
) -> dg.ExecuteInProcessResult:
    job = build_defs(retry_delay_s=0).resolve_job_def(name)
    selection = None if only is None else [dg.AssetKey(key) for key in only]
    return job.execute_in_process(
        instance=instance, raise_on_error=False, asset_selection=selection
    )


def nightly_backup_job() -> dg.JobDefinition:
    """For re-executions, which load the job anew."""
    return build_defs(retry_delay_s=0).resolve_job_def("nightly_backup")


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """Name → value of the asset's materialisation in this run."""
    [event] = [
        each
        for each in result.get_asset_materialization_events()
        if each.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    """ "asset:check" → whether it passed, and its severity."""
    return {
        f"{each.asset_key.to_user_string()}:{each.check_name}": (
            each.passed,
            each.severity.value,
        )
        for each in result.get_asset_check_evaluations()
    }


def failed_steps(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Step → the failure's text for people."""
    return {
        event.step_key or "": event.step_failure_data.user_failure_data.description or ""
        if event.step_failure_data.user_failure_data
        else str(event.step_failure_data.error)
        for event in result.all_events
        if event.is_step_failure
    }


def retries(result: dg.ExecuteInProcessResult, step: str) -> int:
    return sum(event.is_step_up_for_retry and event.step_key == step for event in result.all_events)


def break_offsite(host: HostUnderTest) -> None:
    """A disk that is not mounted: the directory is not there."""
    host.offsite_dir.rmdir()


def mend_offsite(host: HostUnderTest) -> None:
    host.offsite_dir.mkdir(mode=0o700)
