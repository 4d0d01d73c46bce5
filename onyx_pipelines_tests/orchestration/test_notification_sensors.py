"""What runs tell people: failures, recoveries, and a backup that did not come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from onyx_pipelines.notify.configured import channels_of
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines.orchestration.notification_sensors import (
    notification_delivery,
    overdue_backup,
    run_notification,
)
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.watching import Watch
from onyx_pipelines_tests.backup.job_runs import run_job
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.notify.servers import Webhook, webhook


@pytest.fixture
def slack(volume_host: HostUnderTest) -> Iterator[Webhook]:
    with webhook() as hook:
        volume_host.set(
            SLACK_WEBHOOK_URL=hook.url,
            NOTIFY_ON="failed,recovered,missed,succeeded",
            PLAYBOOK_URL="http://wiki/playbook",
            DAGSTER_PUBLIC_URL="http://dagster",
        )
        yield hook


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> str:
    """One look of the sensor; gives the cursor for the next one."""
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"onyx": OnyxSettings()}
    ) as context:
        return str(run_notification.evaluate_tick(context).cursor)


def deliver_what_waits(host: HostUnderTest) -> None:
    """What is held back so that people are not told too often."""
    later = datetime.now(UTC) + timedelta(minutes=10)
    Outbox(host.settings.state_dir).deliver(channels_of(host.settings), later)


def test_a_failed_backup_reaches_slack_with_cause_link_and_playbook(
    volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
) -> None:
    volume_host.set(VOLUMES="data=/nowhere")

    run_job(instance)
    tick(instance)

    text = str(slack.json())
    assert "nightly_backup failed" in text
    assert "volumes_backup" in text
    assert "http://dagster/runs/" in text
    assert "http://wiki/playbook" in text


def test_a_clock_that_went_back_leaves_nobody_untold(
    volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
) -> None:
    volume_host.set(VOLUMES="data=/nowhere")
    seen_ahead = Watch(datetime.now(UTC) + timedelta(days=400)).as_text()

    run_job(instance)
    tick(instance, seen_ahead)

    assert slack.json()["text"] == "❌ nightly_backup failed"


def test_the_first_success_after_a_failure_is_a_recovery(
    volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
) -> None:
    good = volume_host.volume
    volume_host.set(VOLUMES="data=/nowhere")
    run_job(instance)
    seen = tick(instance)
    volume_host.set(VOLUMES=f"data={good}")

    run_job(instance)
    seen = tick(instance, seen)
    run_job(instance)
    tick(instance, seen)

    told = [slack.json(at)["text"] for at in range(1, 3)]
    assert told == ["💚 nightly_backup recovered", "✅ nightly_backup succeeded"]
    assert "sealed size" in str(slack.json(2))


def test_the_dead_mans_switch_hears_the_start(
    volume_host: HostUnderTest, instance: dg.DagsterInstance
) -> None:
    with webhook() as switch:
        volume_host.set(PING_URL_BACKUP=f"{switch.url}/ping")
        run_job(instance)
        tick(instance)

    assert [path for path, _ in switch.requests] == ["/ping/start", "/ping"]


def test_slack_that_is_down_is_told_later_by_the_sensor(
    volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
) -> None:
    slack.answers = [(503, {"Retry-After": "0"}, 0.0)]
    volume_host.set(VOLUMES="data=/nowhere")
    run_job(instance)
    tick(instance)
    (entry,) = (volume_host.settings.state_dir / "notify").rglob("*.event.json")
    stored = json.loads(entry.read_text())
    entry.write_text(json.dumps({**stored, "due": None}))

    with dg.build_sensor_context(instance=instance, resources={"onyx": OnyxSettings()}) as context:
        ticked = notification_delivery.evaluate_tick(context)

    assert ticked.skip_message == "1 messages delivered."
    assert len(slack.requests) == 2


class TestChecksOfAGreenRun:
    def test_one_that_warns_reaches_people(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        volume_host.set(OFFSITE_URL=None, NOTIFY_ON=None)

        assert run_job(instance).success
        tick(instance)

        (told,) = [slack.json(at) for at in range(len(slack.requests))]
        assert told["text"] == "⚠️ nightly_backup warned"
        assert "offsite_copy_is_current (WARN): Could not verify" in str(told)
        assert "http://wiki/playbook" in str(told)

    def test_an_error_that_blocks_nothing_does_too(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        volume_host.set(NOTIFY_ON=None)
        run_job(instance)
        seen = tick(instance)
        (volume_host.volume / "random.bin").unlink()

        assert run_job(instance).success
        tick(instance, seen)

        (told,) = [slack.json(at) for at in range(len(slack.requests))]
        assert "size_is_plausible (ERROR): docker_volumes: " in str(told)
        assert "a drop of more than" in str(told)

    def test_what_never_changes_is_told_once_and_what_holds_again_too(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        offsite = volume_host.settings.offsite_url
        volume_host.set(OFFSITE_URL=None, NOTIFY_ON="warned,recovered")
        seen = None
        for _ in range(3):
            assert run_job(instance).success
            seen = tick(instance, seen)
        volume_host.set(OFFSITE_URL=offsite)

        run_job(instance)
        tick(instance, seen)
        deliver_what_waits(volume_host)

        told = [slack.json(at) for at in range(len(slack.requests))]
        assert [each["text"] for each in told] == [
            "⚠️ nightly_backup warned",
            "💚 nightly_backup recovered",
        ]
        assert "hold again: offsite_copy: " in str(told[1])

    def test_who_wants_to_hear_of_successes_hears_what_is_as_before(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        volume_host.set(OFFSITE_URL=None, NOTIFY_ON="succeeded,warned")
        run_job(instance)
        seen = tick(instance)
        begun = len(slack.requests)
        run_job(instance)
        tick(instance, seen)
        deliver_what_waits(volume_host)

        told = [slack.json(at) for at in range(begun, len(slack.requests))]
        assert [each["text"] for each in told] == ["✅ nightly_backup succeeded"]
        assert "As before: offsite_copy: offsite_copy_is_current (WARN)" in str(told)

    def test_who_does_not_want_warnings_gets_none(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        volume_host.set(OFFSITE_URL=None, NOTIFY_ON="failed,load_test:warned")

        run_job(instance)
        tick(instance)

        assert slack.requests == []

    def test_the_dead_mans_switch_hears_of_a_success(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        with webhook() as switch:
            volume_host.set(PING_URL_BACKUP=f"{switch.url}/ping", OFFSITE_URL=None)
            run_job(instance)
            tick(instance)

        assert [path for path, _ in switch.requests] == ["/ping/start", "/ping"]


class TestOverdue:
    def test_a_fresh_set_is_in_time(self, volume_host: HostUnderTest) -> None:
        volume_host.run()

        assert overdue_backup(volume_host.settings, datetime.now(UTC)) is None

    def test_an_old_one_is_told_once(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        volume_host.run()
        volume_host.set(BACKUP_MAX_AGE_HOURS=0.000001)
        cursor = ""
        for _ in range(2):
            with dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"onyx": OnyxSettings()}
            ) as context:
                cursor = notification_delivery.evaluate_tick(context).cursor or cursor

        assert [slack.json(at)["text"] for at in range(len(slack.requests))] == [
            "⏰ No backup in time"
        ]

    def test_one_that_was_in_time_meanwhile_is_told_again(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, slack: Webhook
    ) -> None:
        volume_host.run()
        cursor = ""
        for allowed_hours in (0.000001, 26, 0.000001):
            volume_host.set(BACKUP_MAX_AGE_HOURS=allowed_hours)
            with dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"onyx": OnyxSettings()}
            ) as context:
                cursor = notification_delivery.evaluate_tick(context).cursor or ""
        deliver_what_waits(volume_host)

        assert len(slack.requests) == 2

    def test_a_new_host_without_any_set_is_not_overdue(self, volume_host: HostUnderTest) -> None:
        assert overdue_backup(volume_host.settings, datetime.now(UTC)) is None

    def test_a_host_that_should_have_sets_by_now_and_has_none_is_overdue(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.run()
        shutil.rmtree(volume_host.backups)  # as when its disk is not mounted
        volume_host.backups.mkdir()
        shutil.rmtree(volume_host.offsite_dir)
        volume_host.offsite_dir.mkdir()

        event = overdue_backup(volume_host.settings, datetime.now(UTC) + timedelta(days=3))

        assert event is not None
        assert "no backup set" in event.summary

    def test_a_second_store_that_is_gone_hides_no_old_set(self, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id
        shutil.rmtree(volume_host.offsite_dir)

        event = overdue_backup(volume_host.settings, datetime.now(UTC) + timedelta(days=3))

        assert event is not None
        assert event.run_id == backup_id
