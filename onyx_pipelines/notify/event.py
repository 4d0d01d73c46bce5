"""What happened, for people: short, without secrets, the same for every channel.

Its texts can be written by every channel: what does not print stands as its escape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from onyx_pipelines.core.text import printable


class Outcome(StrEnum):
    """Recovered: it failed before. Warned: completed, with doubts. Missed: what never began.
    Reported: a report that is due, whatever it says."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RECOVERED = "recovered"
    CANCELLED = "cancelled"
    WARNED = "warned"
    MISSED = "missed"
    REPORTED = "reported"


@dataclass(frozen=True)
class Event:
    """Something that a person may want to know.

    Args:
        subject: one line.
        job: what it is about; events of one job and outcome are told together.
        details: short values by name, none of them secret.
        sections: longer texts by their headings.
        links: addresses by name.
        playbook: where it says what to do; empty: nowhere.
        group: what is told together instead of all of one job.
        html: all of it as a page, for mail; empty: it has none.
    """

    outcome: Outcome
    subject: str
    run_id: str
    job: str
    summary: str
    details: Mapping[str, str | int | float] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    playbook: str = ""
    sections: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    html: str = ""
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        for name in ("subject", "run_id", "job", "summary", "playbook", "group", "html"):
            object.__setattr__(self, name, _writable(getattr(self, name)))
        for name in ("details", "links", "sections"):
            object.__setattr__(self, name, dict(map(_pair, getattr(self, name).items())))

    @property
    def is_bad(self) -> bool:
        return self.outcome in {Outcome.FAILED, Outcome.WARNED, Outcome.MISSED}

    @property
    def kind(self) -> str:
        """What is told together, and not too often."""
        return f"{self.group or self.job}/{self.outcome.value}"

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "outcome": self.outcome.value,
            "occurred_at": self.occurred_at.isoformat(),
        }


def _writable(text: str) -> str:
    """Names of files may hold what is no Unicode, ends a line or turns the writing direction."""
    return "\n".join(map(printable, text.split("\n")))


def _pair(named: tuple[str, str | int | float]) -> tuple[str, str | int | float]:
    name, value = named
    return _writable(name), _writable(value) if isinstance(value, str) else value


def event_from_json(data: Mapping[str, Any]) -> Event:
    """The inverse of `Event.as_json`."""
    return Event(
        **{
            **data,
            "outcome": Outcome(data["outcome"]),
            "occurred_at": datetime.fromisoformat(data["occurred_at"]),
        }
    )
