"""What a channel is, and how it says that it could not deliver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from onyx_pipelines.notify.event import Event, Outcome


class DeliveryError(Exception):
    """It was not delivered. `transient`: another try may help, after `retry_after_s` if that is
    known. The text holds no secret: it is shown and stored."""

    def __init__(self, what: str, *, transient: bool, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.transient = transient
        self.retry_after_s = retry_after_s


class Channel(Protocol):
    """`wants` decides what it is told; `send` gets events of one job and outcome, oldest first."""

    name: str

    def wants(self, event: Event) -> bool: ...

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        ...


def headline(events: Sequence[Event]) -> str:
    """Of the newest one, with how many there were."""
    newest = events[-1]
    times = f" ({len(events)} times)" if len(events) > 1 else ""
    return f"{SIGNS[newest.outcome]} {newest.subject}{times}"


SIGNS = {
    Outcome.STARTED: "▶",
    Outcome.SUCCEEDED: "✅",
    Outcome.FAILED: "❌",
    Outcome.RECOVERED: "💚",
    Outcome.MISSED: "⏰",
}
