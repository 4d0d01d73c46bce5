"""What the relay remembers: issues and when people were told of them, releases, what it has heard.

One small file, written before what it is about is taken from the inbox. A file that is lost tells
of known issues once more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onyx_pipelines.errors.relay.severity import Severity
from onyx_pipelines.errors.relay.signal import Signal

_MOST_ISSUES: Final = 1000
_MOST_KEYS: Final = 2000
_MOST_RELEASES: Final = 100


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Issue(_Record):
    """Of one fingerprint.

    Args:
        last: the newest signal, with which people are told.
        severity: the highest that it ever had; `why`: of a critical one.
        count: of events, by the tracker; 0: it has not said.
        uncounted: events that were heard before the tracker counted them.
        told_at: None: people were never told.
        told_times: since it was last quiet for long, or resolved.
        held: events since then, of which nobody was told yet.
        resolved_at: None: it is open. `resolved_by`: what it was resolved with, if somebody said.
    """

    last: Signal
    severity: Severity
    why: str = ""
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    count: int = 0
    uncounted: int = 0
    told_at: AwareDatetime | None = None
    told_times: int = 0
    held: int = 0
    resolved_at: AwareDatetime | None = None
    resolved_by: str = ""

    @property
    def type(self) -> str:
        """Of the exception."""
        return self.last.type

    @property
    def culprit(self) -> str:
        """Where."""
        return self.last.culprit

    @property
    def message(self) -> str:
        """The newest one's."""
        return self.last.message


class SeenRelease(_Record):
    """`at`: of the first event that named it; `before`: the one before it."""

    service: str
    release: str
    at: AwareDatetime
    before: str = ""


class Memory(_Record):
    """`began_at`: of the first pass; what the tracker listed before that is told to nobody.
    `captured_until`: of the events that waited for a tracker, the newest that was heard."""

    began_at: AwareDatetime
    issues: dict[str, Issue] = Field(default_factory=dict)
    releases: tuple[SeenRelease, ...] = ()
    keys: tuple[str, ...] = ()
    captured_until: AwareDatetime | None = None

    def with_issue(self, fingerprint: str, issue: Issue) -> Memory:
        """The longest not seen are forgotten."""
        issues = {**self.issues, fingerprint: issue}
        if len(issues) > _MOST_ISSUES:
            oldest = min(issues, key=lambda each: issues[each].last_seen)
            issues.pop(oldest)
        return self.model_copy(update={"issues": issues})

    def with_key(self, key: str) -> Memory:
        """Heard; the same again changes nothing. What a tracker lists has none: it counts."""
        if not key:
            return self
        return self.model_copy(update={"keys": (*self.keys, key)[-_MOST_KEYS:]})

    def with_release(self, service: str, release: str, at: datetime) -> Memory:
        """Where it is one that was not seen before."""
        known = [each for each in self.releases if each.service == service]
        if not release or any(each.release == release for each in known):
            return self
        before = known[-1].release if known else ""
        seen = SeenRelease(service=service, release=release, at=at, before=before)
        return self.model_copy(update={"releases": (*self.releases, seen)[-_MOST_RELEASES:]})
