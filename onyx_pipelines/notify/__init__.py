"""Messages to people: what happened is an `Event`; where it goes is a channel.

A channel that fails is logged, tried again and visible, and never fails or delays what it reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from onyx_pipelines.core.logs import logger
from onyx_pipelines.notify.event import Event, Outcome

__all__ = ["Event", "LogNotifier", "Notifier", "Outcome", "notify"]

_log = logger("notify")


class Notifier(Protocol):
    """Something that is told at once."""

    name: str

    def send(self, event: Event) -> None: ...


class LogNotifier:
    """The one that is always there: one structured log record."""

    name = "log"

    def send(self, event: Event) -> None:
        level = _log.error if event.is_bad else _log.info
        level("%s: %s", event.subject, event.summary, extra={"event": event.as_json()})


def notify(event: Event, notifiers: Sequence[Notifier]) -> list[str]:
    """Tell every one; returns the names of those that failed."""
    failed = []
    for notifier in notifiers:
        try:
            notifier.send(event)
        except Exception:  # noqa: BLE001  (a channel's fault must not hide the event itself)
            failed.append(notifier.name)
            _log.exception("The notifier %s failed.", notifier.name)
    return failed
