"""A pass of the relay: nothing is lost and nothing told twice, whenever it is killed; and no secret
is in what it keeps or tells."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import AlreadyRunningError, SourceError
from onyx_pipelines.errors.relay import bugsink, sentry
from onyx_pipelines.errors.relay.inbox import Inbox, InboxError
from onyx_pipelines.errors.relay.passes import Relay, Surroundings
from onyx_pipelines.errors.relay.pulse import pulse_file, relay_metrics
from onyx_pipelines.errors.relay.severity import Criteria
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.errors.what_changed import Change, ChangeKind, Findings
from onyx_pipelines.notify.channels.channel import DeliveryError, body_lines
from onyx_pipelines.notify.channels.slack import message as slack_message
from onyx_pipelines.notify.event import Outcome
from onyx_pipelines_tests.errors import corpus, relay_killed_at_every_step
from onyx_pipelines_tests.errors.relay_signals import (
    MINUTE,
    NOW,
    Recorder,
    bugsink_body,
    fatal,
    signal,
)
from onyx_pipelines_tests.notify.outboxes import waiting_events

SECONDS = timedelta(seconds=1)


def relay_in(state_dir: Path, channel: Recorder, surroundings: Surroundings | None = None) -> Relay:
    return Relay(
        state_dir, [channel], criteria=Criteria(), surroundings=surroundings or Surroundings()
    )


def test_what_is_heard_is_told_with_the_next_pass(tmp_path: Path) -> None:
    channel = Recorder()
    relay = relay_in(tmp_path, channel)
    relay.hear(fatal())

    assert relay.pass_(NOW) == 1
    assert relay.pass_(NOW + SECONDS) == 0
    (event,) = channel.sent
    assert event.outcome is Outcome.FAILED
    assert event.subject == (
        "suna: OperationalError: connection to server at 10.0.0.5 failed after 30 s (new)"
    )
    assert event.links == {"the issue": "http://tracker/issues/i-1"}


def test_an_error_that_is_not_critical_is_a_warning(tmp_path: Path) -> None:
    channel = Recorder()
    relay = relay_in(tmp_path, channel)
    relay.hear(signal())

    relay.pass_(NOW)

    assert [each.outcome for each in channel.sent] == [Outcome.WARNED]


def test_what_the_receiver_took_is_told_by_the_process_that_comes_after_a_kill(
    tmp_path: Path,
) -> None:
    relay_in(tmp_path, Recorder()).hear(fatal())
    channel = Recorder()

    relay_in(tmp_path, channel).pass_(NOW)

    assert len(channel.sent) == 1


@pytest.mark.slow
def test_a_kill_before_any_write_loses_no_message_and_doubles_none(tmp_path: Path) -> None:
    program = [sys.executable, "-m", relay_killed_at_every_step.__name__, tmp_path]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stdout

    steps = [json.loads(line) for line in said.splitlines()]
    assert not steps[-1]["was_killed"]
    assert len(steps) > 5
    assert [each["step"] for each in steps if len(set(each["told"])) != 2] == []
    # Of each of the two: between the channel's answer and the note of it, which nothing can mend.
    assert sum(len(each["told"]) - 2 for each in steps) == 2


def test_a_slow_channel_is_told_later_and_once(tmp_path: Path) -> None:
    channel = Recorder()
    channel.fails = [DeliveryError("429", transient=True, retry_after_s=40)]
    relay = relay_in(tmp_path, channel)
    relay.hear(fatal())

    assert relay.pass_(NOW) == 0
    assert relay.pass_(NOW + 39 * SECONDS) == 0
    assert relay.pass_(NOW + 41 * SECONDS) == 1
    assert len(channel.sent) == 1


def test_a_channel_that_stumbles_is_tried_again_within_seconds(tmp_path: Path) -> None:
    channel = Recorder()
    channel.fails = [DeliveryError("429", transient=True, retry_after_s=1)]
    relay = relay_in(tmp_path, channel)
    relay.hear(fatal())
    relay.pass_(NOW)

    assert relay.pass_(NOW + SECONDS) == 0
    assert relay.pass_(NOW + 3 * SECONDS) == 1


def test_a_storm_of_errors_is_ten_messages_in_a_minute_and_the_last_lists_the_rest(
    tmp_path: Path,
) -> None:
    channel = Recorder()
    relay = relay_in(tmp_path, channel)
    for number in range(100):
        relay.hear(fatal(str(number), issue=f"i-{number}", type=f"Error{'x' * number}"))

    relay.pass_(NOW)

    assert len(channel.sent) == 10
    assert channel.subjects[-1] == "91 messages held back: too many in a minute"


def test_a_storm_of_one_error_is_one_message_and_then_a_count(tmp_path: Path) -> None:
    channel = Recorder()
    relay = relay_in(tmp_path, channel)
    for number in range(200):
        relay.hear(fatal(str(number), source=Source.CAPTURED, count=0))
    relay.pass_(NOW)
    assert len(channel.sent) == 1

    relay.pass_(NOW + 5 * MINUTE)

    assert channel.sent[-1].details["held back"] == (
        "199 events since the message of 2026-11-27 14:00 UTC"
    )


def test_a_full_inbox_refuses_what_may_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onyx_pipelines.errors.relay.inbox._MOST", 2)
    inbox = Inbox(tmp_path)
    inbox.put(signal("1"))
    inbox.put(signal("2"))

    with pytest.raises(InboxError, match="2 error messages wait") as caught:
        inbox.put(signal("3"))

    assert caught.value.transient


def test_a_damaged_message_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    channel = Recorder()
    relay = relay_in(tmp_path, channel)
    relay.hear(fatal())
    (tmp_path / "errors" / "relay" / "inbox" / "x.json").write_bytes(b"{")

    relay.pass_(NOW)
    relay.pass_(NOW + SECONDS)

    assert len(channel.sent) == 1


def test_two_relays_of_one_host_are_refused(tmp_path: Path) -> None:
    held = relay_in(tmp_path, Recorder()).alone()
    try:
        with pytest.raises(AlreadyRunningError):
            relay_in(tmp_path, Recorder()).alone()
    finally:
        held.release()


class Tracker:
    """Lists what it is told to, or does not answer."""

    def __init__(self, *issues: Signal) -> None:
        self.issues: Sequence[Signal] = issues
        self.is_silent = False
        self.asked = 0

    def listed(self, _: datetime) -> Sequence[Signal]:
        self.asked += 1
        if self.is_silent:
            raise SourceError("The tracker does not answer.", remedy="", transient=True)
        return self.issues


def goes_on(count: int, at: datetime) -> Signal:
    return fatal("", source=Source.LIST, reason=Reason.GOES_ON, count=count, at=at)


def test_a_known_critical_error_that_goes_on_is_told_again(tmp_path: Path) -> None:
    channel, tracker = Recorder(), Tracker()
    relay = relay_in(tmp_path, channel, Surroundings(listed=tracker.listed))
    relay.hear(fatal())
    for second in range(0, 360, 10):
        moment = NOW + second * SECONDS
        tracker.issues = [goes_on(1 + second, moment)]
        relay.pass_(moment)

    assert [each.subject.rpartition(" (")[2] for each in channel.sent] == ["new)", "goes on)"]
    assert str(channel.sent[-1].details["held back"]).startswith("300 events")


def test_the_tracker_is_asked_every_ten_seconds(tmp_path: Path) -> None:
    tracker = Tracker()
    relay = relay_in(tmp_path, Recorder(), Surroundings(listed=tracker.listed))

    for second in range(25):
        relay.pass_(NOW + second * SECONDS)

    assert tracker.asked == 3


def test_what_the_tracker_listed_before_the_first_pass_is_told_to_nobody(tmp_path: Path) -> None:
    channel, tracker = Recorder(), Tracker(goes_on(9, NOW - MINUTE))
    relay_in(tmp_path, channel, Surroundings(listed=tracker.listed)).pass_(NOW)

    assert not channel.sent


def test_a_critical_event_reaches_people_while_the_tracker_is_down(tmp_path: Path) -> None:
    channel, tracker = Recorder(), Tracker()
    tracker.is_silent = True
    waiting = [fatal("e" * 32, source=Source.CAPTURED, count=0, issue="")]
    around = Surroundings(
        listed=tracker.listed,
        captured=lambda since: [each for each in waiting if each.at > since],
    )
    relay = relay_in(tmp_path, channel, around)
    relay.pass_(NOW - MINUTE)
    for second in range(0, 120, 10):
        relay.pass_(NOW + second * SECONDS)

    assert len(channel.sent) == 1
    # The tracker is back, has the event, and its webhook comes late.
    tracker.is_silent, tracker.issues = False, [goes_on(1, NOW)]
    relay.hear(fatal("hook"))
    relay.pass_(NOW + 3 * MINUTE)
    relay.pass_(NOW + 30 * MINUTE)

    assert len(channel.sent) == 1


def test_a_tracker_that_does_not_answer_is_waited_for_once(tmp_path: Path) -> None:
    asked = []

    def silent(about: Signal) -> Signal:
        asked.append(about.key)
        raise SourceError("The tracker does not answer.", remedy="", transient=True)

    relay = relay_in(tmp_path, Recorder(), Surroundings(filled=silent))
    for number in range(20):
        relay.hear(signal(str(number), level="", issue=f"i-{number}", type=f"E{'x' * number}"))
    relay.pass_(NOW)
    assert len(asked) == 1

    relay.hear(signal("late", level=""))
    relay.pass_(NOW + 10 * SECONDS)

    assert len(asked) == 2


def test_what_breaks_while_it_is_looked_for_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    def broken(*_: object) -> Findings:
        raise ZeroDivisionError

    channel = Recorder()
    relay = relay_in(tmp_path, channel, Surroundings(findings=broken))
    relay.hear(fatal())

    relay.pass_(NOW)

    assert "could not be asked" in channel.sent[0].sections["What changed"]


def in_bugsinks_message(said: str) -> Signal:
    return bugsink.signal_of(bugsink_body(calculated_value=said, transaction=said), NOW)


def in_sentrys_event(said: str) -> Signal:
    event = {
        "level": "fatal",
        "exception": {"values": [{"type": "ValueError", "value": said}]},
        "culprit": said,
        "tags": [["note", said]],
        "fingerprint": [said],
    }
    body = {"action": "triggered", "data": {"event": event, "triggered_rule": said}}
    found = sentry.signal_of(json.dumps(body).encode(), "event_alert", NOW)
    assert found is not None
    return found


class Pieces:
    """Every piece of a text: 25,000 are looked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known = {text[at : at + corpus.PIECE] for at in range(len(text))}

    def __contains__(self, piece: str) -> bool:
        return piece in (self._known if len(piece) == corpus.PIECE else self._text)


@pytest.mark.slow
def test_of_500_secrets_none_is_in_the_inbox_the_outbox_slack_or_mail(tmp_path: Path) -> None:
    secrets = corpus.secrets(seed=16)
    noted = itertools.cycle(
        Change(ChangeKind.CONFIGURATION, NOW, f"configuration: {each.said}") for each in secrets
    )
    around = Surroundings(
        findings=lambda *_: Findings([next(noted)], unknown=[next(noted).said]),
        clean=Scrubber().text,
    )
    channel = Recorder()
    channel.fails = [DeliveryError("busy", transient=True)] * 10
    relay = relay_in(tmp_path, channel, around)
    for number, secret in enumerate(secrets):
        heard = (in_bugsinks_message, in_sentrys_event)[number % 2](secret.said)
        of_its_own = {"key": str(number), "issue": str(number), "type": f"Error{'x' * number}"}
        by_hand = ("x" * number, *heard.fingerprint)
        relay.hear(
            heard.model_copy(update={**of_its_own, "level": "fatal", "fingerprint": by_hand})
        )
    kept = [each.read_text() for each in tmp_path.rglob("*.json")]
    relay.pass_(NOW)

    waiting = waiting_events(tmp_path)
    kept += [each.read_text() for each in tmp_path.rglob("*.json")]
    kept += ["\n".join(body_lines([event])) for event in waiting]
    kept += [json.dumps(slack_message([event])) for event in waiting]
    assert len(waiting) == 500
    told = Pieces("\n".join(kept))
    assert [each.kind for each in secrets if each.is_in(told)] == []


def test_its_own_health_is_a_metric(tmp_path: Path) -> None:
    assert list(relay_metrics(tmp_path)) == []
    tracker = Tracker()
    tracker.is_silent = True
    relay = relay_in(tmp_path, Recorder(), Surroundings(listed=tracker.listed))
    relay.hear(fatal())
    relay.pass_(NOW)
    relay.pass_(NOW + 30 * SECONDS)

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in relay_metrics(tmp_path)
        for sample in metric.samples
    }
    passed_at = (NOW + 30 * SECONDS).timestamp()
    assert samples["onyx_error_relay_last_pass_timestamp_seconds",] == passed_at
    assert samples["onyx_error_relay_tracker_silent_seconds",] == 30
    assert samples["onyx_error_relay_heard_total", "bugsink"] == 1
    assert samples["onyx_error_relay_told_total", "critical"] == 1
    pulse = pulse_file(tmp_path).read()
    assert pulse is not None
    assert pulse.waiting == 0
