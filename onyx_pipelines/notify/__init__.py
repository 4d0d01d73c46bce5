"""Messages to people: what happened is an `Event`; where it goes is a `Notifier`.

Channels are added by giving `notify` more notifiers. One that fails is logged and never fails or
stops what it reports on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Protocol

from onyx_pipelines.telemetry import logger

_log = logger("notify")


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """Something that a person may want to know. `details` are short and hold no secret."""

    outcome: Outcome
    subject: str
    run_id: str
    job: str
    summary: str
    details: Mapping[str, str | int | float] = field(default_factory=dict)


class Notifier(Protocol):
    """One channel."""

    name: str

    def send(self, event: Event) -> None: ...


class LogNotifier:
    """The channel that is always there: one structured log record."""

    name = "log"

    def send(self, event: Event) -> None:
        level = _log.error if event.outcome is Outcome.FAILED else _log.info
        level("%s: %s", event.subject, event.summary, extra={"event": asdict(event)})


def notify(event: Event, notifiers: Sequence[Notifier]) -> list[str]:
    """Tell every channel; returns the names of those that failed."""
    failed = []
    for notifier in notifiers:
        try:
            notifier.send(event)
        except Exception:  # noqa: BLE001  (a channel's fault must not hide the event itself)
            failed.append(notifier.name)
            _log.exception("The notifier %s failed.", notifier.name)
    return failed
