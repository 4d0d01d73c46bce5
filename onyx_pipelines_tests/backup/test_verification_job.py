"""Job `verify_backups`: says what is intact, and names what is not."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from onyx_pipelines.backup.verification_job import verify_backups, weekly_verification_schedule
from onyx_pipelines.run_resources import OnyxSettings
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, flip_a_byte


def verified(**config: object) -> dg.ExecuteInProcessResult:
    return verify_backups.execute_in_process(
        run_config={"ops": {"verify_sets": {"config": config}}},
        resources={"onyx": OnyxSettings()},
        raise_on_error=False,
    )


def test_intact_sets_pass_and_are_noted(volume_host: HostUnderTest) -> None:
    backup_id = volume_host.run().backup_id
    begun = datetime.now(UTC)

    assert verified(backup_id="all", deep=True).success
    noted = volume_host.open().catalog.find(backup_id).last_verified_at
    assert noted is not None
    assert noted >= begun


def test_a_damaged_object_of_one_store_is_named_with_the_store(volume_host: HostUnderTest) -> None:
    backup_id = volume_host.run().backup_id
    damaged = volume_host.first_object(backup_id, store="offsite")
    flip_a_byte(damaged)

    failed = verified(backup_id=backup_id)

    (event,) = [event for event in failed.all_node_events if event.is_step_failure]
    said = str(event.step_failure_data)
    assert not failed.success
    assert f"offsite, set {backup_id}" in said
    assert damaged.name in said
    assert verified(backup_id=backup_id, store="local").success


def test_every_set_of_the_local_store_is_read_on_sundays() -> None:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 29, 5, tzinfo=UTC)
    )

    request = weekly_verification_schedule.evaluate_tick(context).run_requests[0]

    assert weekly_verification_schedule.cron_schedule == "0 5 * * 0"
    assert request.run_config["ops"]["verify_sets"]["config"] == {
        "backup_id": "all",
        "store": "local",
        "deep": False,
    }
