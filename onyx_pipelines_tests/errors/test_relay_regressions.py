"""Rehearsed regressions: for each something is changed as it is in life, an error follows, and the
message that the relay sends names what was changed, among what is usual on such a host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.api.error_relay import Finding, note_changes
from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.errors.recorded_changes import noting
from onyx_pipelines.errors.relay.passes import Relay, Surroundings
from onyx_pipelines.errors.relay.severity import Criteria
from onyx_pipelines.errors.what_changed import ChangeKind
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.errors.relay_signals import Recorder, fatal, signal

Plant = Callable[[Settings, ExitStack], None]


def note(kind: ChangeKind, what: str = "", release: str = "") -> Plant:
    def plant(settings: Settings, _: ExitStack) -> None:
        with noting(settings, cli_origin(), kind, what, service="suna", release=release):
            pass

    return plant


def run_ended(job: str, outcome: Outcome) -> Plant:
    def plant(settings: Settings, _: ExitStack) -> None:
        at = datetime.now(UTC) - timedelta(minutes=4)
        LastRuns(settings.state_dir).note(Event(outcome, "", "", job, "", occurred_at=at))

    return plant


def running(purpose: str) -> Plant:
    def plant(settings: Settings, stack: ExitStack) -> None:
        stack.enter_context(ExclusiveLock(settings.state_dir, purpose))

    return plant


def restored_by_hand(settings: Settings, _: ExitStack) -> None:
    with audited(settings, action="restore", origin=cli_origin(), copy=False) as entry:
        entry.result(verdict="restored", detail="postgresql of set 7")


def settings_changed(settings: Settings, _: ExitStack) -> None:
    note_changes(settings)
    note_changes(settings.model_copy(update={"api_port": 8999}))


def load_test_failed(settings: Settings, _: ExitStack) -> None:
    path = settings.reports_dir / "load-test" / "latest" / "result.json"
    path.parent.mkdir(parents=True)
    at = datetime.now(UTC) - timedelta(minutes=2)
    path.write_text(json.dumps({"finished_at": at.isoformat(), "verdict": "failed"}))


# What is changed, and the words that must stand in the message.
REGRESSIONS: dict[str, tuple[Plant, str]] = {
    "a release": (
        note(ChangeKind.RELEASE, release="suna@1.4.2"),
        "release suna@1.4.2 of suna was deployed",
    ),
    "a configuration": (
        note(ChangeKind.CONFIGURATION, "pool_size 20 -> 5"),
        "configuration: pool_size 20 -> 5",
    ),
    "a setting of ours": (settings_changed, "ONYX_API_PORT changed"),
    "a schema": (note(ChangeKind.SCHEMA, "migration 0042"), "schema: migration 0042"),
    "the machine": (
        note(ChangeKind.INFRASTRUCTURE, "kernel update, reboot"),
        "infrastructure: kernel update, reboot",
    ),
    "a backup that failed": (run_ended(Job.BACKUP, Outcome.FAILED), "nightly_backup failed"),
    "a backup that hangs": (running("backup"), "backup (process"),
    "a load test that runs": (running("load test"), "load test (process"),
    "a load test that failed": (load_test_failed, "load test ended: failed"),
    "a drill that failed": (run_ended(Job.DRILL, Outcome.FAILED), "restore_drill failed"),
    "a restore": (restored_by_hand, "restored (postgresql of set 7)"),
}


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A host where the usual things were done: a backup in the night, a drill, a key, releases."""
    found = load_settings(
        {"state_dir": tmp_path / "state", "reports_dir": tmp_path / "reports", "stores": ()}
    )
    runs, now = LastRuns(found.state_dir), datetime.now(UTC)
    for hours, job in enumerate((Job.BACKUP, Job.COPY, Job.PRUNE, Job.VERIFY, Job.DRILL), 7):
        at = now - timedelta(hours=hours)
        runs.note(Event(Outcome.SUCCEEDED, "", "", job, "", occurred_at=at))
    with audited(found, action="verify", origin=cli_origin(), copy=False) as entry:
        entry.result(verdict="passed")
    return found


def told_of(settings: Settings) -> list[str]:
    """What changed, in the message on a new critical error."""
    channel, now = Recorder(), datetime.now(UTC)
    relay = Relay(
        settings.state_dir,
        [channel],
        criteria=Criteria(),
        surroundings=Surroundings(findings=Finding(settings)),
    )
    relay.hear(fatal(first_seen=now, at=now))
    relay.pass_(now)
    return channel.sent[-1].sections["What changed"].split("\n")


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_was_changed_stands_first_in_the_message(name: str, settings: Settings) -> None:
    plant, words = REGRESSIONS[name]
    with ExitStack() as stack:
        plant(settings, stack)

        lines = told_of(settings)

    assert words in lines[0]


def test_a_release_that_only_events_name_stands_in_the_message(settings: Settings) -> None:
    channel, now = Recorder(), datetime.now(UTC)
    relay = Relay(
        settings.state_dir,
        [channel],
        criteria=Criteria(),
        surroundings=Surroundings(findings=Finding(settings)),
    )
    earlier = now - timedelta(hours=30)
    relay.hear(signal("1", type="Other", release="suna@1.4.1", at=earlier, first_seen=earlier))
    relay.pass_(now - timedelta(minutes=1))
    relay.hear(fatal("2", release="suna@1.4.2", at=now, first_seen=now))
    relay.pass_(now)

    first = channel.sent[-1].sections["What changed"].split("\n")[0]
    assert "release suna@1.4.2 of suna was first seen (before: suna@1.4.1)" in first


def test_where_nothing_was_changed_only_what_is_usual_is_named(settings: Settings) -> None:
    assert all("failed" not in line and "Running" not in line for line in told_of(settings))


def test_a_trail_that_cannot_be_read_is_said(settings: Settings) -> None:
    path = settings.state_dir / "audit" / "trail.jsonl"
    path.unlink()
    path.mkdir()

    assert told_of(settings)[-1] == (
        "• Not known: what was done by hand; the audit trail cannot be read."
    )
