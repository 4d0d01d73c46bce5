"""Job `verify_backups`: says what is intact, and names what is not."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime

import dagster as dg
import pytest

from onyx_pipelines.backup.job import verify_backups, weekly_verification_schedule
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.vault.keys import create_private_key
from onyx_pipelines.vault.recipients import add_recipient
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, cut_manifest
from onyx_pipelines_tests.planting import flip_a_byte


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


def test_every_set_of_both_stores_is_read_on_sundays() -> None:
    onyx = OnyxSettings(overrides={"offsite_url": "file:///srv/copies"})

    with dg.build_schedule_context(
        resources={"onyx": onyx}, scheduled_execution_time=datetime(2026, 11, 29, 5, tzinfo=UTC)
    ) as context:
        request = weekly_verification_schedule.evaluate_tick(context).run_requests[0]

    assert weekly_verification_schedule.cron_schedule == "0 5 * * 0"
    assert request.run_config["ops"]["verify_sets"]["config"] == {
        "backup_id": "all",
        "deep": False,
    }


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the failed run said."""
    (event,) = [event for event in result.all_node_events if event.is_step_failure]
    return str(event.step_failure_data)


@pytest.mark.parametrize("asked", ["all", "latest", "its id"])
def test_a_damaged_manifest_is_a_damaged_set(volume_host: HostUnderTest, asked: str) -> None:
    backup_id = volume_host.run().backup_id
    cut_manifest(volume_host.backups, backup_id)

    said = failure(verified(backup_id=backup_id if asked == "its id" else asked))

    assert f"local, set {backup_id}: manifest.json" in said
    assert "offsite, set" not in said


def test_a_set_that_lost_an_object_is_named_beside_whole_ones(volume_host: HostUnderTest) -> None:
    damaged = volume_host.run().backup_id
    volume_host.onyx("hold", damaged)
    volume_host.run()
    lost = volume_host.first_object(damaged)
    lost.unlink()

    said = failure(verified(backup_id="all"))

    assert f"local, set {damaged}" in said
    assert lost.name in said


@pytest.mark.parametrize("store", ["nosuch", "offsite"])
def test_a_store_that_there_is_not_fails_the_job(volume_host: HostUnderTest, store: str) -> None:
    volume_host.run()
    volume_host.set(OFFSITE_URL=None)

    said = failure(verified(backup_id="all", store=store))

    assert f"There is no {store} store." in said


@pytest.mark.parametrize("store", ["local", "offsite", ""])
def test_a_store_without_any_set_fails_the_job(volume_host: HostUnderTest, store: str) -> None:
    said = failure(verified(backup_id="all", store=store))

    assert "holds no backup set" in said


def test_an_emptied_store_is_told_beside_a_full_one(volume_host: HostUnderTest) -> None:
    backup_id = volume_host.run().backup_id
    shutil.rmtree(volume_host.offsite_dir / "sets")

    said = failure(verified(backup_id="all"))

    assert "offsite store holds no backup set" in said
    assert volume_host.open().catalog.find(backup_id).last_verified_at is not None


def test_a_store_that_does_not_answer_does_not_hide_damage_in_the_other(
    volume_host: HostUnderTest,
) -> None:
    backup_id = volume_host.run().backup_id
    flip_a_byte(volume_host.first_object(backup_id))
    volume_host.offsite_dir.rename(volume_host.root / "unmounted")

    said = failure(verified(backup_id="all"))

    assert f"local, set {backup_id}" in said
    assert str(volume_host.offsite_dir) in said


def test_a_set_that_waits_for_its_copy_is_verified_where_it_is(volume_host: HostUnderTest) -> None:
    copied = volume_host.run().backup_id
    volume_host.onyx("hold", copied)
    waiting = volume_host.run().backup_id
    shutil.rmtree(volume_host.offsite_dir / "sets" / waiting)

    assert verified(backup_id=waiting).success


def test_a_set_that_is_in_no_store_fails_the_job(volume_host: HostUnderTest) -> None:
    volume_host.run()

    said = failure(verified(backup_id=str(uuid.uuid4())))

    assert "There is no backup set" in said


def test_a_set_that_is_not_sealed_to_this_hosts_key_does_not_hide_the_others(
    volume_host: HostUnderTest,
) -> None:
    foreign = volume_host.run().backup_id
    volume_host.onyx("hold", foreign)
    new_key = volume_host.root / "keys" / "new.json"
    volume_host.recipients.unlink()
    add_recipient(volume_host.recipients, create_private_key(new_key, "new"))
    volume_host.set(PRIVATE_KEY_FILE=new_key)
    own = volume_host.run().backup_id
    flip_a_byte(volume_host.first_object(own))

    said = failure(verified(backup_id="all", store="local"))

    assert f"local, set {own}" in said
    assert f"Backup set {foreign} is not sealed to the key" in said
