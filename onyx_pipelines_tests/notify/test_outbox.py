"""No message is lost, none is sent again and again, and a channel's fault is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.notify.backoff import next_try_s
from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.channels.slack import SlackChannel
from onyx_pipelines.notify.configured import channels_of, tell
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines.notify.pacing import FOR_PEOPLE, PER_WINDOW, Pace
from onyx_pipelines.notify.routing import routes
from onyx_pipelines_tests.notify.servers import webhook
from onyx_pipelines_tests.waiting import wait_until

NOW = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
EVENT = Event(
    Outcome.FAILED, "backup failed", "run-1", "nightly_backup", "no space", occurred_at=NOW
)


class Recorder:
    """Takes everything, unless `fails` says otherwise."""

    pace: Pace | None = FOR_PEOPLE

    def __init__(self, name: str = "recorder") -> None:
        self.name = name
        self.sent: list[list[Event]] = []
        self.fails: list[DeliveryError | Exception] = []

    def wants(self, event: Event) -> bool:
        return event.outcome is not Outcome.STARTED

    def send(self, events: Sequence[Event]) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(list(events))


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


def busy(retry_after_s: float | None = None) -> DeliveryError:
    return DeliveryError("busy", transient=True, retry_after_s=retry_after_s)


def test_what_is_delivered_is_not_sent_again(outbox: Outbox) -> None:
    channel = Recorder()
    outbox.put(EVENT, [channel])

    assert outbox.deliver([channel], NOW) == 1
    assert outbox.deliver([channel], NOW + timedelta(days=1)) == 0
    assert channel.sent == [[EVENT]]


def test_what_nobody_wants_is_not_kept(outbox: Outbox) -> None:
    assert not outbox.put(replace(EVENT, outcome=Outcome.STARTED), [Recorder()])


def test_another_process_delivers_what_this_one_could_not(outbox: Outbox, tmp_path: Path) -> None:
    channel = Recorder()
    channel.fails = [busy()]
    outbox.put(EVENT, [channel])
    outbox.deliver([channel], NOW)

    assert Outbox(tmp_path).deliver([channel], NOW + timedelta(seconds=31)) == 1
    assert channel.sent == [[EVENT]]


def test_a_failed_try_is_not_repeated_before_its_time(outbox: Outbox) -> None:
    channel = Recorder()
    channel.fails = [busy(retry_after_s=120)]
    outbox.put(EVENT, [channel])
    outbox.deliver([channel], NOW)

    assert outbox.deliver([channel], NOW + timedelta(seconds=119)) == 0
    assert outbox.deliver([channel], NOW + timedelta(seconds=121)) == 1


def test_one_broken_channel_does_not_keep_another_from_being_told(outbox: Outbox) -> None:
    broken, well = Recorder("broken"), Recorder("well")
    broken.fails = [RuntimeError("a bug")]
    outbox.put(EVENT, [broken, well])

    outbox.deliver([broken, well], NOW)

    assert well.sent == [[EVENT]]
    state = {each.name: each for each in outbox.states([broken, well])}
    assert (state["broken"].pending, state["well"].pending) == (1, 0)
    assert "RuntimeError" in state["broken"].last_error
    assert state["well"].last_success == NOW


def test_events_of_one_job_and_outcome_are_one_message(outbox: Outbox) -> None:
    channel = Recorder()
    other = replace(EVENT, outcome=Outcome.RECOVERED)
    for at in range(3):
        outbox.put(replace(EVENT, occurred_at=NOW + timedelta(seconds=at)), [channel])
    outbox.put(other, [channel])

    outbox.deliver([channel], NOW)

    assert sorted(len(each) for each in channel.sent) == [1, 3]


def test_a_storm_becomes_a_few_messages_and_nothing_is_left_out(outbox: Outbox) -> None:
    channel = Recorder()
    for second in range(0, 600, 20):
        moment = NOW + timedelta(seconds=second)
        outbox.put(replace(EVENT, run_id=str(second), occurred_at=moment), [channel])
        outbox.deliver([channel], moment)
    outbox.deliver([channel], NOW + timedelta(seconds=900))

    told = [event.run_id for events in channel.sent for event in events]
    assert len(channel.sent) == 4
    assert told == [str(second) for second in range(0, 600, 20)]


def test_many_kinds_at_once_are_limited_and_the_bad_ones_come_first(outbox: Outbox) -> None:
    channel = Recorder()
    for number in range(20):
        bad = number >= 10
        outcome = Outcome.FAILED if bad else Outcome.SUCCEEDED
        outbox.put(replace(EVENT, job=f"job {number}", outcome=outcome), [channel])

    assert outbox.deliver([channel], NOW) == PER_WINDOW
    assert all(events[0].is_bad for events in channel.sent)


def storm(outbox: Outbox, channel: Recorder, kinds: int) -> None:
    for number in range(kinds):
        moment = NOW - timedelta(milliseconds=kinds - number)
        event = replace(EVENT, group=f"error {number}", subject=f"no {number}", occurred_at=moment)
        outbox.put(event, [channel])


def test_what_would_wait_for_the_next_minute_is_listed_in_one_message(outbox: Outbox) -> None:
    channel = Recorder()
    channel.pace = Pace(per_window=3, rolls_up=True)
    storm(outbox, channel, 30)

    assert outbox.deliver([channel], NOW) == 3
    assert outbox.states([channel])[0].pending == 0
    rolled = channel.sent[-1][0]
    assert rolled.subject == "28 messages held back: too many in a minute"
    assert "no 2" in rolled.summary
    assert rolled.summary.endswith("and 8 more kinds.")


def test_a_storm_that_fits_is_not_rolled_up(outbox: Outbox) -> None:
    channel = Recorder()
    channel.pace = Pace(per_window=3, rolls_up=True)
    storm(outbox, channel, 3)

    outbox.deliver([channel], NOW)

    assert [events[0].subject for events in channel.sent] == ["no 0", "no 1", "no 2"]


def test_of_one_job_what_is_of_different_groups_is_told_apart(outbox: Outbox) -> None:
    channel = Recorder()
    storm(outbox, channel, 2)

    assert outbox.deliver([channel], NOW) == 2


def test_what_is_put_again_under_its_key_is_told_once(outbox: Outbox) -> None:
    channel = Recorder()
    for _ in range(2):
        outbox.put(EVENT, [channel], key="the same")

    outbox.deliver([channel], NOW)

    assert channel.sent == [[EVENT]]


def test_a_ping_is_never_held_back(outbox: Outbox) -> None:
    channel = Recorder()
    channel.pace = None
    for _ in range(2):
        outbox.put(EVENT, [channel])
        outbox.deliver([channel], NOW)

    assert len(channel.sent) == 2


def test_what_can_never_be_delivered_is_given_up_and_counted(outbox: Outbox) -> None:
    channel = Recorder()
    channel.fails = [DeliveryError("no_service", transient=False)]
    outbox.put(EVENT, [channel])

    outbox.deliver([channel], NOW)

    (state,) = outbox.states([channel])
    assert (state.pending, state.given_up, state.last_error) == (0, 1, "no_service")


def test_after_a_day_it_is_given_up(outbox: Outbox) -> None:
    channel = Recorder()
    outbox.put(EVENT, [channel])
    moment = NOW
    while outbox.states([channel])[0].pending:
        channel.fails = [busy()]
        outbox.deliver([channel], moment)
        moment += timedelta(minutes=16)

    assert timedelta(hours=24) < moment - NOW < timedelta(hours=25)


def test_waits_grow_and_are_bounded() -> None:
    waits = [next_try_s(attempt) for attempt in range(1, 12)]

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (30, 900)
    # A backup's failure is tried four times at least within five minutes.
    assert sum(waits[:3]) < 300
    assert next_try_s(1, 3600) == 3600


def test_a_damaged_file_does_not_keep_the_others(outbox: Outbox, tmp_path: Path) -> None:
    channel = Recorder()
    outbox.put(EVENT, [channel])
    (box,) = (tmp_path / "notify").iterdir()
    (box / "0.event.json").write_text("{half")

    assert outbox.deliver([channel], NOW) == 1


@pytest.mark.parametrize(
    "state",
    [
        *("[]", "null", "{half", "[" * 50_000, '{"sent": 5}', '{"sent": [["x", "y"]]}'),
        *('{"not_before": "x"}', '{"not_before": "2026-01-01T00:00:00"}', '{"given_up": "x"}'),
    ],
)
def test_what_is_remembered_of_a_channel_keeps_no_message_when_it_is_damaged(
    outbox: Outbox, tmp_path: Path, state: str
) -> None:
    channel = Recorder()
    outbox.put(EVENT, [channel])
    (box,) = (tmp_path / "notify").iterdir()
    (box / "state.json").write_text(state)

    assert outbox.deliver([channel], NOW) == 1
    assert outbox.states([channel])[0].last_success == NOW


def test_a_kill_while_a_message_is_sent_loses_none(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom pydantic import SecretStr\n"
        "from onyx_pipelines.notify.channels.slack import SlackChannel\n"
        "from onyx_pipelines.notify.event import Event, Outcome\n"
        "from onyx_pipelines.notify.outbox import Outbox\n"
        "from onyx_pipelines.notify.routing import routes\n"
        "channel = SlackChannel(SecretStr(sys.argv[2]), routes(['failed']))\n"
        "box = Outbox(Path(sys.argv[1]))\n"
        "box.put(Event(Outcome.FAILED, 's', 'r', 'j', 'why'), [channel])\n"
        "box.deliver([channel])\n"
    )
    with webhook() as hook:
        hook.answers = [(200, {}, 5.0)]
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path), hook.url]) as child:
            wait_until(lambda: hook.requests, "the message is under way")
            os.kill(child.pid, signal.SIGKILL)
        channel = SlackChannel(SecretStr(hook.url), routes(["failed"]))
        sent = Outbox(tmp_path).deliver([channel])

    assert sent == 1
    assert len(hook.requests) == 2


def test_two_deliverers_do_not_send_twice(outbox: Outbox, tmp_path: Path) -> None:
    class Slow(Recorder):
        def send(self, events: Sequence[Event]) -> None:
            assert Outbox(tmp_path).deliver([self], NOW) == 0
            super().send(events)

    channel = Slow()
    outbox.put(EVENT, [channel])

    assert outbox.deliver([channel], NOW) == 1


def test_a_channel_that_hangs_delays_no_other_and_is_seen(outbox: Outbox) -> None:
    let_go = threading.Event()

    class Hanging(Recorder):
        def send(self, events: Sequence[Event]) -> None:
            let_go.wait()

    slack, ping = Hanging("slack"), Recorder("ping")
    outbox.put(EVENT, [slack, ping])

    sent = outbox.deliver([slack, ping], NOW, patience_s=0.5)
    state, _ = outbox.states([slack, ping])

    assert (sent, ping.sent) == (1, [[EVENT]])
    assert (state.pending, state.last_error) == (1, "It has not answered for 0.5 s.")
    outbox.put(EVENT, [slack, ping])
    assert outbox.deliver([slack, ping], NOW + timedelta(hours=1), patience_s=5) == 1
    let_go.set()


def test_a_channel_that_asks_for_time_is_left_alone_by_other_messages_too(outbox: Outbox) -> None:
    channel = Recorder()
    channel.fails = [busy(retry_after_s=120)]
    outbox.put(EVENT, [channel])
    outbox.deliver([channel], NOW)
    outbox.put(replace(EVENT, job="another"), [channel])

    assert outbox.deliver([channel], NOW + timedelta(seconds=100)) == 0
    assert outbox.deliver([channel], NOW + timedelta(seconds=121)) == 2


def test_a_clock_that_went_back_does_not_keep_a_message_waiting(outbox: Outbox) -> None:
    channel = Recorder()
    channel.fails = [busy(retry_after_s=3600)]
    outbox.put(EVENT, [channel])
    outbox.deliver([channel], NOW)

    assert outbox.deliver([channel], NOW - timedelta(days=30)) == 1


def test_a_machine_is_told_in_the_order_of_events(outbox: Outbox) -> None:
    switch = Recorder()
    switch.pace = None
    started = replace(EVENT, outcome=Outcome.RECOVERED, occurred_at=NOW - timedelta(seconds=5))
    outbox.put(started, [switch])
    outbox.put(EVENT, [switch])

    outbox.deliver([switch], NOW)

    assert switch.sent == [[started], [EVENT]]


class TestTell:
    def test_a_failing_channel_fails_nothing_and_no_secret_is_stored(self, tmp_path: Path) -> None:
        secret = "planted-webhook-secret"
        settings = load_settings(
            {"state_dir": tmp_path, "slack_webhook_url": f"http://127.0.0.1:9/{secret}"}
        )

        tell(settings, replace(EVENT, occurred_at=datetime.now(UTC)))

        (state,) = Outbox(tmp_path).states(channels_of(settings))
        assert state.pending == 1
        stored = [p.read_text() for p in (tmp_path / "notify").rglob("*") if p.is_file()]
        assert not any(secret in text for text in stored)

    def test_a_secret_in_an_error_is_taken_out_before_anybody_is_told(self, tmp_path: Path) -> None:
        with webhook() as hook:
            settings = load_settings(
                {
                    "state_dir": tmp_path,
                    "slack_webhook_url": hook.url,
                    "pg_password": "planted-password",
                }
            )
            broken = replace(
                EVENT,
                occurred_at=datetime.now(UTC),
                summary="could not connect: postgresql://u:planted-password@db",
                details={"dsn": "u:planted-password"},
            )
            tell(settings, broken)

        assert "could not connect" in str(hook.json())
        assert "planted-password" not in str(hook.json())

    def test_a_state_directory_that_cannot_be_written_fails_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        settings = load_settings(
            {"state_dir": tmp_path / "file", "slack_webhook_url": "http://127.0.0.1:9/x"}
        )

        tell(settings, EVENT)

    def test_what_is_not_configured_is_no_channel(self, tmp_path: Path) -> None:
        assert channels_of(load_settings({"state_dir": tmp_path})) == []
        named = load_settings(
            {
                "state_dir": tmp_path,
                "slack_webhook_url": "http://127.0.0.1:9/x",
                "smtp_host": "127.0.0.1",
                "smtp_to": "a@example.org, b@example.org",
                "ping_url_drill": "http://127.0.0.1:9/y",
            }
        )
        assert [each.name for each in channels_of(named)] == [
            "slack",
            "mail a@example.org",
            "mail b@example.org",
            "dead man's switch",
        ]
