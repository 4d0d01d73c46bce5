"""The job `restore_from_backup`: a plan unless it is confirmed, then the real thing."""

from typing import Any

import dagster as dg
import pytest

from onyx_pipelines.audit import Phase, Trail
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.backup.job_runs import failed_steps
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

GREETING = "hello\n" * 2000


@pytest.fixture
def host(volume_host: HostUnderTest) -> HostUnderTest:
    volume_host.run()
    (volume_host.volume / "greeting.txt").write_text("goodbye", encoding="utf-8")
    return volume_host


def run(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    job = build_defs(retry_delay_s=0).resolve_job_def("restore_from_backup")
    return job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {"restore": {"config": config}}},
    )


def greeting(host: HostUnderTest) -> str:
    return (host.volume / "greeting.txt").read_text(encoding="utf-8")


def test_without_confirm_it_shows_the_plan_and_changes_nothing(
    instance: dg.DagsterInstance, host: HostUnderTest
) -> None:
    result = run(instance)

    [failure] = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said
    assert "Nothing was changed" in (said.description or "")
    assert "**replaced**" in str(said.metadata["plan"].value)
    assert greeting(host) == "goodbye"


def test_confirmed_it_restores_and_records_what_it_did(
    instance: dg.DagsterInstance, host: HostUnderTest
) -> None:
    [backup_id] = host.listed()

    result = run(instance, confirm=True, backup_id=backup_id)

    assert result.success, failed_steps(result)
    [event] = result.get_asset_materialization_events()
    metadata = {name: entry.value for name, entry in event.materialization.metadata.items()}
    assert (metadata["verdict"], metadata["backup_id"]) == ("passed", backup_id)
    assert host.open().catalog.find(str(metadata["safety_backup_id"])).held
    assert greeting(host) == GREETING


def test_it_stands_in_the_audit_trail_under_its_run(
    instance: dg.DagsterInstance, host: HostUnderTest
) -> None:
    result = run(instance, confirm=True, safety_backup=False)

    records = [each for each in Trail.of(host.settings).records() if each.action == "restore"]
    assert [(each.operation, each.phase) for each in records] == [
        (result.run_id, Phase.BEGIN),
        (result.run_id, Phase.END),
    ]


def test_beside_another_task_it_fails_and_says_which(
    instance: dg.DagsterInstance, host: HostUnderTest
) -> None:
    with ExclusiveLock(host.settings.state_dir, "load test"):
        result = run(instance, confirm=True, safety_backup=False)

    assert "load test" in failed_steps(result)["restore"]
    assert greeting(host) == "goodbye"


def test_an_unknown_component_is_named(instance: dg.DagsterInstance, host: HostUnderTest) -> None:
    result = run(instance, components=["postgres"])

    assert "no component 'postgres'" in failed_steps(result)["restore"]
