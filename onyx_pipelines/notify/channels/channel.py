"""What a channel is, and how it says that it could not deliver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from onyx_pipelines.core.text import moment_text, second_text
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.pacing import Pace


class DeliveryError(Exception):
    """It was not delivered. `transient`: another try may help, after `retry_after_s` if that is
    known. The text holds no secret: it is shown and stored."""

    def __init__(self, what: str, *, transient: bool, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.transient = transient
        self.retry_after_s = retry_after_s


class Channel(Protocol):
    """`wants` decides what it is told; `send` gets events of one job and outcome, oldest first.
    `pace`: for people, so not too often; None: each is told."""

    name: str

    @property
    def pace(self) -> Pace | None: ...

    def wants(self, event: Event) -> bool: ...

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        ...


def body_lines(events: Sequence[Event]) -> list[str]:
    """All that is known, as plain text."""
    newest = events[-1]
    lines = [newest.summary, ""]
    for heading, text in newest.sections.items():
        lines += [f"{heading}:", text, ""]
    lines += [f"{name}: {value}" for name, value in newest.details.items()]
    lines += [f"{name}: {url}" for name, url in newest.links.items()]
    if newest.playbook:
        lines += ["", f"What to do: {newest.playbook}"]
    if len(events) > 1:
        lines += ["", f"{len(events)} times since {moment_text(events[0].occurred_at)}."]
    run = f", run {newest.run_id}" if newest.run_id else ""
    lines += ["", f"{second_text(newest.occurred_at)}{run}"]
    return lines
