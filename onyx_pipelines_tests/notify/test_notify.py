"""One event reaches every channel, whatever the others do."""

from __future__ import annotations

from onyx_pipelines.notify import Event, Outcome, notify

EVENT = Event(Outcome.FAILED, "nightly_backup failed", "run-1", "nightly_backup", "no space left")


class Recorder:
    name = "recorder"

    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self.events.append(event)


class Broken:
    name = "broken"

    def send(self, event: Event) -> None:
        raise ConnectionError("no route")


def test_every_channel_is_told() -> None:
    first, second = Recorder(), Recorder()

    notify(EVENT, [first, second])

    assert first.events == second.events == [EVENT]


def test_a_broken_channel_does_not_keep_the_others_from_being_told() -> None:
    recorder = Recorder()

    notify(EVENT, [Broken(), recorder])

    assert recorder.events == [EVENT]


def test_a_broken_channel_is_named() -> None:
    assert notify(EVENT, [Broken(), Recorder()]) == ["broken"]
