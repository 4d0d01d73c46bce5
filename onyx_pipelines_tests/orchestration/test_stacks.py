"""One Dagster for several stacks: each is a partition, and what is done for one is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.backup.automation import lagging_offsite_copy
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.names import Asset, Tag
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.notify import Outcome
from onyx_pipelines.orchestration.audit_sensor import audit_of_manual_runs
from onyx_pipelines.orchestration.notification_sensors import (
    notification_delivery,
    run_notification,
)
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.restore.automation import drill_new_set
from onyx_pipelines_tests.backup.job_runs import failed_steps
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.notify.outboxes import waiting_events
from onyx_pipelines_tests.two_stacks import STACKS, TwoStacks

AT = datetime(2026, 3, 29, 2, tzinfo=UTC)
NOBODY = "http://127.0.0.1:9/nobody"
SCHEDULES = ("nightly_backup_schedule", "monthly_restore_drill", "weekly_verification_schedule")
Tick = Callable[..., dg.SensorDefinition]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def scheduled(name: str) -> list[dg.RunRequest]:
    defs = build_defs()
    with dg.build_schedule_context(
        resources={"onyx": OnyxSettings()},
        repository_def=defs.get_repository_def(),
        scheduled_execution_time=AT,
    ) as context:
        return list(defs.resolve_schedule_def(name).evaluate_tick(context).run_requests or [])


def tick(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition, cursor: str | None = None
) -> dg.SensorExecutionData:  # type: ignore[name-defined]  # not among Dagster's public names
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources={"onyx": OnyxSettings()},
        repository_def=build_defs().get_repository_def(),
    ) as context:
        return sensor.evaluate_tick(context)


def told(stacks: TwoStacks, stack: str) -> list[tuple[Outcome, str]]:
    events = waiting_events(stacks.settings(stack).state_dir)
    return [(each.outcome, str(each.details.get("stack"))) for each in events]


def has_partitions_of_stacks(defs: dg.Definitions) -> bool:
    """Those of days are none."""
    of = (*defs.resolve_all_asset_specs(), *defs.resolve_all_job_defs())
    return dg.StaticPartitionsDefinition in {type(each.partitions_def) for each in of}


class TestOneStack:
    @pytest.mark.parametrize("name", ["", "blue"])
    def test_has_no_partitions_whether_it_has_a_name_or_not(
        self, volume_host: HostUnderTest, name: str
    ) -> None:
        volume_host.set(STACK=name)
        defs = build_defs()

        assert not has_partitions_of_stacks(defs)

    def test_that_is_chosen_of_several_has_none_either(self, two_stacks: TwoStacks) -> None:
        two_stacks.host.set(STACK="blue")

        assert not has_partitions_of_stacks(build_defs())

    def test_is_asked_for_once_at_a_tick(self, volume_host: HostUnderTest) -> None:
        volume_host.set(STACK="blue")

        [request] = scheduled("nightly_backup_schedule")

        assert (request.run_key, request.partition_key) == (AT.isoformat(), None)


class TestTheDefinitionsOfSeveral:
    def test_have_every_asset_and_job_for_each_stack(self, two_stacks: TwoStacks) -> None:
        defs = build_defs()
        jobs = [each for each in defs.resolve_all_job_defs() if not each.name.startswith("__")]

        of = [each.partitions_def for each in (*defs.resolve_all_asset_specs(), *jobs)]

        assert {tuple(each.get_partition_keys()) if each else () for each in of} == {STACKS}

    def test_have_the_same_names_texts_and_tags_as_those_of_one(
        self, two_stacks: TwoStacks
    ) -> None:
        several = [_said(each) for each in build_defs().resolve_all_job_defs()]
        two_stacks.host.set(STACK="blue")

        assert several == [_said(each) for each in build_defs().resolve_all_job_defs()]

    def test_call_no_asset_fresh_because_another_stack_has_a_new_one(
        self, two_stacks: TwoStacks
    ) -> None:
        specs = build_defs().resolve_all_asset_specs()

        assert {each.freshness_policy for each in specs} == {None}

    def test_are_refused_where_two_have_one_name(self, two_stacks: TwoStacks) -> None:
        two_stacks.host.set(CONFIG=":".join([str(two_stacks.host.root / "stacks/blue.yaml")] * 2))

        with pytest.raises(SettingsError, match="not each has a name of its own"):
            build_defs()


def _said(job: dg.JobDefinition) -> object:
    return job.name, job.description, job.tags, job.metadata, job.graph.node_dict.keys()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_tick_asks_for_a_run_of_each_stack(two_stacks: TwoStacks, name: str) -> None:
    requests = scheduled(name)

    assert [(each.partition_key, each.run_key) for each in requests] == [
        (stack, f"{stack}:{AT.isoformat()}") for stack in STACKS
    ]
    assert [each.tags[Tag.STACK] for each in requests] == list(STACKS)


def test_a_tick_asks_for_no_run_of_a_stack_that_has_nothing_to_do(two_stacks: TwoStacks) -> None:
    two_stacks.configure("green", load_test_url="http://green.internal")

    assert [each.partition_key for each in scheduled("monthly_load_test")] == ["green"]


def test_a_stack_whose_settings_are_wrong_is_asked_for_and_keeps_no_other_one(
    two_stacks: TwoStacks, instance: dg.DagsterInstance
) -> None:
    two_stacks.configure("blue", no_such_setting=1)

    assert {each.partition_key for each in scheduled("nightly_backup_schedule")} == {*STACKS}
    assert not two_stacks.run(instance, "blue").success
    assert two_stacks.run(instance, "green").success


def test_a_file_that_is_no_yaml_keeps_no_run_of_another_stack(
    two_stacks: TwoStacks, instance: dg.DagsterInstance
) -> None:
    job = build_defs().resolve_job_def("nightly_backup")
    (two_stacks.host.root / "stacks" / "blue.yaml").write_text("{")

    assert job.execute_in_process(instance=instance, partition_key="green").success


class TestRuns:
    def test_back_up_each_stack_into_its_own_part_of_the_stores(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        runs = {stack: two_stacks.run(instance, stack) for stack in STACKS}

        assert all(run.success for run in runs.values())
        assert {stack: two_stacks.sets(stack) for stack in STACKS} == {
            stack: {run.run_id} for stack, run in runs.items()
        }

    def test_verify_and_drill_what_is_the_stacks_own(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        made = two_stacks.run(instance, "blue")

        assert two_stacks.run(instance, "blue", "verify_backups").success
        assert two_stacks.run(instance, "blue", "restore_drill").success
        assert not two_stacks.run(instance, "green", "verify_backups").success
        report = two_stacks.host.root / "reports/blue/restore-drills/latest/report.html"
        page = report.read_text(encoding="utf-8")
        assert made.run_id[:8] in page
        assert "<title>blue: Restore drill" in page

    def test_plan_to_restore_what_is_the_stacks_own(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        two_stacks.run(instance, "blue")

        plans = {
            stack: failed_steps(two_stacks.run(instance, stack, "restore_from_backup"))["restore"]
            for stack in STACKS
        }

        assert plans["blue"].startswith("Nothing was changed: the restore was not confirmed")
        assert plans["green"].startswith("There is no")

    def test_without_a_stack_are_refused_and_told_which_there_are(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        job = build_defs().resolve_job_def("verify_backups")

        run = job.execute_in_process(instance=instance, raise_on_error=False)

        assert not run.success
        [failed] = [each for each in run.all_events if each.is_failure and not each.step_key]
        assert "blue (" in str(failed.event_specific_data)


class TestPeople:
    @pytest.fixture(autouse=True)
    def channels(self, two_stacks: TwoStacks) -> None:
        two_stacks.host.set(SLACK_WEBHOOK_URL=NOBODY, NOTIFY_ON="failed,missed,recovered")

    def test_hear_of_a_failure_from_the_stack_that_failed(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        two_stacks.configure("blue", volumes="data=/nowhere")
        for stack in STACKS:
            two_stacks.run(instance, stack)

        tick(instance, run_notification)

        assert told(two_stacks, "blue") == [(Outcome.FAILED, "blue")]
        assert told(two_stacks, "green") == []

    def test_hear_of_a_run_that_was_deleted_from_the_stack_that_it_was_of(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        job = build_defs().resolve_job_def("nightly_backup")
        run = instance.create_run_for_job(job, tags={Tag.STACK: "blue"})
        seen = tick(instance, run_notification)
        instance.delete_run(run.run_id)

        tick(instance, run_notification, seen.cursor)

        assert told(two_stacks, "blue") == [(Outcome.FAILED, "blue")]
        assert told(two_stacks, "green") == []

    def test_hear_of_no_recovery_of_a_stack_that_had_not_failed(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        two_stacks.run(instance, "green")
        two_stacks.configure("blue", volumes="data=/nowhere")
        two_stacks.run(instance, "blue")
        two_stacks.run(instance, "green")
        two_stacks.configure("blue")
        two_stacks.run(instance, "blue")

        tick(instance, run_notification)

        assert [each for each, _ in told(two_stacks, "green")] == []
        assert Outcome.RECOVERED in [each for each, _ in told(two_stacks, "blue")]

    def test_hear_once_of_a_backup_that_did_not_come_whichever_stack_has_one(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        two_stacks.run(instance, "green")
        two_stacks.run(instance, "blue")
        two_stacks.configure("blue", backup_max_age_hours=0.000001)

        cursor = tick(instance, notification_delivery).cursor
        tick(instance, notification_delivery, cursor)

        assert told(two_stacks, "blue") == [(Outcome.MISSED, "blue")]
        assert told(two_stacks, "green") == []

    def test_of_one_stack_hear_while_the_directory_of_another_cannot_be_used(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        for stack in STACKS:
            two_stacks.run(instance, stack)
            two_stacks.configure(stack, backup_max_age_hours=0.000001)
        blue = two_stacks.settings("blue").state_dir
        blue.rename(blue.with_name("away"))
        blue.touch()

        said = tick(instance, notification_delivery).skip_message

        assert "blue: [Errno" in str(said)
        assert told(two_stacks, "green") == [(Outcome.MISSED, "green")]

    def test_of_one_stack_hear_while_the_settings_of_another_are_wrong(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        two_stacks.configure("green", volumes="data=/nowhere")
        two_stacks.run(instance, "green")
        two_stacks.configure("blue", no_such_setting=1)
        two_stacks.run(instance, "blue")

        seen = tick(instance, run_notification)
        assert told(two_stacks, "green") == [(Outcome.FAILED, "green")]
        two_stacks.configure("blue")
        tick(instance, run_notification, seen.cursor)

        assert told(two_stacks, "blue") == [(Outcome.FAILED, "blue")]
        assert len(told(two_stacks, "green")) == 1


class TestSensors:
    def test_ask_for_a_copy_of_the_stack_that_lacks_one(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        (two_stacks.host.offsite_dir / "blue").rename(two_stacks.host.root / "away")
        made = {stack: two_stacks.run(instance, stack).run_id for stack in STACKS}
        (two_stacks.host.root / "away").rename(two_stacks.host.offsite_dir / "blue")

        [request] = tick(instance, lagging_offsite_copy).run_requests

        assert (request.partition_key, request.run_key) == ("blue", f"blue:{made['blue']}-1")

    def test_ask_for_a_drill_of_each_new_set_also_of_those_that_came_together(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        made = {stack: two_stacks.run(instance, stack).run_id for stack in STACKS}

        requests = tick(instance, drill_new_set).run_requests

        assert {each.partition_key: each.run_key for each in requests} == {
            stack: f"{stack}:{run_id}" for stack, run_id in made.items()
        }

    def test_write_a_run_of_a_person_into_the_audit_trail_of_its_stack(
        self, two_stacks: TwoStacks, instance: dg.DagsterInstance
    ) -> None:
        run = two_stacks.run(instance, "blue", "prune_backups")

        tick(instance, audit_of_manual_runs)

        records = {stack: list(Trail.of(two_stacks.settings(stack)).records()) for stack in STACKS}
        assert {each.operation for each in records["blue"]} >= {run.run_id}
        assert records["green"] == []


def test_dagster_keeps_the_sets_of_the_stacks_apart(
    two_stacks: TwoStacks, instance: dg.DagsterInstance
) -> None:
    for stack in STACKS:
        two_stacks.run(instance, stack)

    assert instance.get_materialized_partitions(dg.AssetKey(Asset.BACKUP_SET)) == {*STACKS}
