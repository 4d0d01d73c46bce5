"""Runs that a person launched reach the audit trail, once, with how they ended."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from onyx_pipelines.audit import AuditRecord, Channel, Outcome, Phase, Trail, api_origin
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.orchestration.audit_sensor import audit_runs
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECRET = "correct-horse-battery"
CONFIG = {"ops": {"work": {"config": {"fail": "", "url": f"http://u:{SECRET}@h/"}}}}


@dg.op(config_schema={"fail": str, "url": str})
def work(context: dg.OpExecutionContext) -> None:
    if context.op_config["fail"]:
        raise dg.Failure(description=context.op_config["fail"], allow_retries=False)


@dg.job(executor_def=dg.in_process_executor)
def restore_by_hand() -> None:
    work()


@pytest.fixture
def settings(volume_host: HostUnderTest) -> Settings:
    volume_host.set(PG_PASSWORD=SECRET)
    return volume_host.settings


def run(instance: dg.DagsterInstance, *, fail: str = "", tags: dict[str, str] | None = None) -> str:
    config = deepcopy(CONFIG)
    config["ops"]["work"]["config"]["fail"] = fail
    return restore_by_hand.execute_in_process(
        run_config=config, instance=instance, tags=tags, raise_on_error=False
    ).run_id


def records(settings: Settings) -> list[AuditRecord]:
    return list(Trail.of(settings).records())


def test_a_run_from_the_ui_is_recorded_with_its_end(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    run_id = run(instance)

    audit_runs(instance, settings, LONG_AGO)

    begin, end = records(settings)
    assert (begin.phase, end.phase) == (Phase.BEGIN, Phase.END)
    assert (begin.operation, begin.action) == (run_id, "dagster.run")
    assert begin.origin.channel is Channel.UI
    assert begin.parameters["job"] == "restore_by_hand"
    assert str(begin.parameters["launched_at"]).endswith("+00:00")
    assert end.result
    assert (end.result.outcome, end.result.verdict) == (Outcome.OK, "success")


def test_no_secret_of_a_run_configuration_is_recorded(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    run(instance, fail=f"cannot sign in with {SECRET}")

    audit_runs(instance, settings, LONG_AGO)

    trail = Trail.of(settings).path.read_text(encoding="utf-8")
    assert "http://u:[secret]@h/" in trail or "http://[secret]@h/" in trail
    assert SECRET not in trail


def test_a_failed_run_says_which_step_and_why(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    run(instance, fail="the set is damaged")

    audit_runs(instance, settings, LONG_AGO)

    result = records(settings)[-1].result
    assert result
    assert (result.outcome, result.detail) == (Outcome.FAILED, "work: the set is damaged")


def test_a_run_is_recorded_once_however_often_it_is_seen(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    run(instance)

    written = [audit_runs(instance, settings, LONG_AGO) for _ in range(3)]

    assert written == [2, 0, 0]


def test_a_run_that_still_waits_gets_its_end_later(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    waiting = instance.create_run_for_job(
        restore_by_hand, run_config=CONFIG, status=dg.DagsterRunStatus.NOT_STARTED
    )
    audit_runs(instance, settings, LONG_AGO)
    before = [record.phase for record in records(settings)]
    instance.report_run_canceled(waiting)

    audit_runs(instance, settings, LONG_AGO)

    result = records(settings)[-1].result
    assert before == [Phase.BEGIN]
    assert result
    assert (result.outcome, result.verdict) == (Outcome.FAILED, "canceled")


def test_what_a_schedule_launched_is_no_manual_operation(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    run(instance, tags={"dagster/schedule_name": "nightly", "dagster/tick": "1"})

    assert audit_runs(instance, settings, LONG_AGO) == 0
    assert not Trail.of(settings).folder.exists()


def test_a_run_of_the_api_names_its_token(instance: dg.DagsterInstance, settings: Settings) -> None:
    run(instance, tags=api_origin("ci", "192.0.2.9").as_tags())

    audit_runs(instance, settings, LONG_AGO)

    origin = records(settings)[0].origin
    assert (origin.channel, origin.actor, origin.address) == (Channel.API, "ci", "192.0.2.9")


def test_a_backup_that_found_the_lock_taken_was_refused(
    instance: dg.DagsterInstance, volume_host: HostUnderTest
) -> None:
    job = build_defs(retry_delay_s=0).resolve_job_def("nightly_backup")
    with ExclusiveLock(volume_host.settings.state_dir, "load test"):
        job.execute_in_process(instance=instance, raise_on_error=False)

    audit_runs(instance, volume_host.settings, LONG_AGO)

    result = records(volume_host.settings)[-1].result
    assert result
    assert result.outcome is Outcome.REFUSED
    assert result.detail.startswith("already_running: A load test already runs")


@pytest.mark.parametrize("cursor", ["2099-01-01T00:00:00+00:00", "2026-11-26", "nonsense"])
def test_a_clock_that_went_back_hides_no_run_from_the_sensor(
    instance: dg.DagsterInstance, settings: Settings, cursor: str
) -> None:
    sensor = build_defs().resolve_sensor_def("audit_of_manual_runs")
    run(instance)

    with dg.build_sensor_context(
        instance, resources={"onyx": OnyxSettings()}, cursor=cursor
    ) as context:
        ticked = sensor.evaluate_tick(context)

    assert ticked.skip_message == "2 records written."


def test_the_sensor_goes_on_where_it_was(
    instance: dg.DagsterInstance, volume_host: HostUnderTest
) -> None:
    sensor = build_defs().resolve_sensor_def("audit_of_manual_runs")
    run(instance)
    onyx = {"onyx": OnyxSettings()}

    with dg.build_sensor_context(instance, resources=onyx) as context:
        first = sensor.evaluate_tick(context)
    with dg.build_sensor_context(instance, resources=onyx, cursor=first.cursor) as again:
        second = sensor.evaluate_tick(again)

    assert (first.skip_message, second.skip_message) == (
        "2 records written.",
        "0 records written.",
    )
    assert first.cursor
    assert datetime.now(UTC) - datetime.fromisoformat(first.cursor) < timedelta(minutes=1)
    assert len(records(volume_host.settings)) == 2
