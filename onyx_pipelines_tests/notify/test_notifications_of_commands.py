"""Backups without Dagster tell people too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines.notify.configured import channels_of
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, cut_manifest
from onyx_pipelines_tests.notify.servers import Webhook, webhook


@pytest.fixture
def hook(volume_host: HostUnderTest) -> Iterator[Webhook]:
    with webhook() as server:
        volume_host.set(
            SLACK_WEBHOOK_URL=f"{server.url}/slack",
            PING_URL_BACKUP=f"{server.url}/ping",
            NOTIFY_ON="failed,nightly_backup:succeeded",
            PLAYBOOK_URL="http://wiki/backup",
        )
        yield server


def paths(hook: Webhook) -> list[str]:
    return [path for path, _ in hook.requests]


def test_one_that_succeeds_is_told_with_its_set_and_size(
    volume_host: HostUnderTest, hook: Webhook
) -> None:
    done = volume_host.onyx("backup", "run", "--json")

    assert done.status == 0
    assert sorted(paths(hook)) == ["/ping", "/ping/start", "/slack"]
    slack = next(body for path, body in hook.requests if path == "/slack").decode()
    assert done.json["backup_id"] in slack
    assert "sealed size" in slack


def test_one_that_fails_is_told_with_cause_and_playbook(
    volume_host: HostUnderTest, hook: Webhook
) -> None:
    shutil.rmtree(volume_host.volume)

    done = volume_host.onyx("backup", "run")

    assert done.status != 0
    assert sorted(paths(hook)) == ["/ping/fail", "/ping/start", "/slack"]
    slack = next(body for path, body in hook.requests if path == "/slack").decode()
    assert "http://wiki/backup" in slack
    assert str(volume_host.volume) in slack


def test_a_channel_that_is_slow_does_not_keep_the_backup_waiting(
    volume_host: HostUnderTest, hook: Webhook
) -> None:
    hook.answers = [(200, {}, 4.0)]

    done = volume_host.onyx("backup", "run", "--json")

    taken_at = volume_host.open().catalog.find(done.json["backup_id"]).timestamp.timestamp()
    assert taken_at < hook.answered_at[0]


def test_a_channel_that_is_gone_fails_nothing_and_doctor_says_so(
    volume_host: HostUnderTest, hook: Webhook
) -> None:
    volume_host.set(SLACK_WEBHOOK_URL="http://127.0.0.1:9/planted-path")

    done = volume_host.onyx("backup", "run")
    found = volume_host.onyx("doctor", "--json")

    assert done.status == 0
    (notifications,) = [each for each in found.json if each["name"] == "notifications"]
    assert "slack: Slack does not answer" in notifications["detail"]
    assert "planted-path" not in done.everything + found.everything


def test_what_warns_is_no_failure_and_is_told_once(
    volume_host: HostUnderTest, hook: Webhook
) -> None:
    volume_host.set(NOTIFY_ON="failed,warned", PING_URL_DRILL=f"{hook.url}/drill")
    held = volume_host.run().backup_id
    volume_host.open().catalog.hold(held, "wanted", now=datetime.now(UTC))
    newest = volume_host.run().backup_id
    for store in (volume_host.backups, volume_host.offsite_dir):
        cut_manifest(store, newest)

    for _ in range(2):
        assert CliRunner().invoke(app, ["drill", "latest"]).exit_code == 0
    later = datetime.now(UTC) + timedelta(minutes=10)
    Outbox(volume_host.settings.state_dir).deliver(channels_of(volume_host.settings), later)

    said = [path for path in paths(hook) if path != "/drill/start"]
    assert sorted(said) == ["/drill", "/drill", "/slack"]
    (slack,) = [json.loads(body) for path, body in hook.requests if path == "/slack"]
    assert slack["text"] == "⚠️ restore_drill warned"
    assert f"The newer set {newest}" in str(slack)


def test_a_drill_has_a_switch_of_its_own(volume_host: HostUnderTest, hook: Webhook) -> None:
    volume_host.run()
    volume_host.set(PING_URL_DRILL=f"{hook.url}/drill")

    assert volume_host.onyx("drill", "latest").status == 0

    assert sorted(paths(hook)) == ["/drill", "/drill/start"]
