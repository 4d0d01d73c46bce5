"""One incident: the alerts that belong to it, what triage found, and what became of it. Pure data.

Whether it is open, acknowledged or waits for something is read from its notes: they are only ever
added to.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onyx_pipelines.core.text import stamp_text
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.diagnosis import Considered, Outcome, Triage

ID_PATTERN: Final = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$"


class What(StrEnum):
    """What a note says. JOINED: an alert came that nothing yet explains; RAISED: it is critical
    since."""

    OPENED = "opened"
    JOINED = "joined"
    RAISED = "raised"
    TRIAGED = "triaged"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    CLOSED = "closed"
    REOPENED = "reopened"


# After one of these somebody should look what is wrong.
_WANTS_A_LOOK: Final = frozenset({What.OPENED, What.JOINED, What.RAISED, What.REOPENED})
_BEGINS: Final = frozenset({What.OPENED, What.REOPENED})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Note(_Record):
    """Args:
    by: who or what did it.
    text: one line more; of an escalation its level.
    """

    at: AwareDatetime
    what: What
    by: str = ""
    text: str = ""


class AlertSeen(_Record):
    """One firing of one alert.

    Args:
        fingerprint: Alertmanager's, of the alert's labels.
        began_at, ended_at: as Alertmanager says; None: it fires.
        heard_at: when it came here first.
    """

    fingerprint: str
    name: str
    service: str = ""
    severity: Severity
    playbook: Playbook | None = None
    summary: str = ""
    description: str = ""
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    heard_at: AwareDatetime

    @property
    def fires(self) -> bool:
        """Whether it has not ended."""
        return self.ended_at is None


class NamedPlaybook(_Record):
    """One that fits. `next_action`: the first command of its resolution, for `next_does`."""

    playbook: Playbook
    title: str
    severity: Severity
    impact: str
    evidence: tuple[str, ...]
    next_action: str
    next_does: str


class TriageSeen(_Record):
    """What one look found.

    Args:
        of_notes: how many notes there were when it began.
        explained: playbooks whose alerts it explains: those that it named, and their consequences.
        unknown: why something could not be looked at, a line for each reason.
    """

    at: AwareDatetime
    took_s: float
    of_notes: int
    sentence: str
    named: tuple[NamedPlaybook, ...] = ()
    explained: tuple[Playbook, ...] = ()
    ruled_out: tuple[Playbook, ...] = ()
    could_not_tell: tuple[Playbook, ...] = ()
    unknown: tuple[str, ...] = ()


class Incident(_Record):
    """Args:
    title: the first alert's, or what a person called it.
    by_hand: a person opened it, and so only a person closes it.
    groups: Alertmanager's, of which messages came.
    told: how many of the notes people were told of, where there is something to tell.
    """

    id: str = Field(pattern=ID_PATTERN)
    title: str
    severity: Severity
    by_hand: bool = False
    groups: tuple[str, ...] = ()
    alerts: tuple[AlertSeen, ...] = ()
    triages: tuple[TriageSeen, ...] = ()
    notes: tuple[Note, ...]
    told: int = 0

    @property
    def opened_at(self) -> datetime:
        """For the first time."""
        return self.notes[0].at

    @property
    def began_at(self) -> datetime:
        """Of what went wrong, as far as the alerts say."""
        return min((self.opened_at, *(each.began_at for each in self.alerts)))

    @property
    def closed(self) -> Note | None:
        """None: it is open."""
        last = self.notes[self._last_of(_BEGINS | {What.CLOSED})]
        return last if last.what is What.CLOSED else None

    @property
    def is_open(self) -> bool:
        return self.closed is None

    @property
    def urgent_since(self) -> datetime | None:
        """Since when somebody must answer; None: nobody need."""
        if self.severity is not Severity.CRITICAL or not self.is_open:
            return None
        return self.notes[self._last_of(_BEGINS | {What.RAISED})].at

    @property
    def acknowledged(self) -> Note | None:
        """By whom, since it was last opened."""
        since = self._last_of(_BEGINS)
        found = (each for each in self.notes[since:] if each.what is What.ACKNOWLEDGED)
        return next(found, None)

    @property
    def escalated_times(self) -> int:
        """The highest level that was reached since it became urgent."""
        since = self.notes[self._last_of(_BEGINS | {What.RAISED}) :]
        return max((int(each.text) for each in since if each.what is What.ESCALATED), default=0)

    @property
    def firing(self) -> tuple[AlertSeen, ...]:
        """The alerts that have not ended."""
        return tuple(each for each in self.alerts if each.fires)

    @property
    def last_triage(self) -> TriageSeen | None:
        """The newest look; None: nobody has looked."""
        return self.triages[-1] if self.triages else None

    @property
    def explained(self) -> frozenset[Playbook]:
        """Whose alerts the newest look explains."""
        return frozenset(self.last_triage.explained) if self.last_triage else frozenset()

    @property
    def wants_triage(self) -> Note | None:
        """What nobody has looked at yet."""
        looked = self.last_triage.of_notes if self.last_triage else 0
        found = (each for each in self.notes[looked:] if each.what in _WANTS_A_LOOK)
        return next(found, None) if self.is_open else None

    @property
    def sentence(self) -> str:
        """In one: what triage says, or what it was opened for."""
        return self.last_triage.sentence if self.last_triage else self.title

    @property
    def state(self) -> str:
        """In a word or two."""
        if not self.is_open:
            return "closed"
        return "acknowledged" if self.acknowledged else "open"

    def noted(self, *notes: Note) -> Incident:
        """With these notes after the others."""
        return self.model_copy(update={"notes": (*self.notes, *notes)})

    def _last_of(self, kinds: frozenset[What]) -> int:
        numbers = (n for n in range(len(self.notes) - 1, -1, -1) if self.notes[n].what in kinds)
        return next(numbers)


def new_id(now: datetime) -> str:
    """Sorts by time; short enough to be typed."""
    return f"{stamp_text(now)}-{secrets.token_hex(2)}"


def triage_seen(found: Triage, of_notes: int) -> TriageSeen:
    """What is kept of a triage: what it named and why, without what is well."""
    named = tuple(map(_named, found.named))
    considered = (*found.named, *found.ruled_out, *found.could_not_tell)
    explained = dict.fromkeys(
        [each.playbook for each in named]
        + [each.playbook.id for each in considered if _is_consequence(each)]
    )
    return TriageSeen(
        at=found.at,
        took_s=found.took_s,
        of_notes=of_notes,
        sentence=found.sentence,
        named=named,
        explained=tuple(explained),
        ruled_out=tuple(each.playbook.id for each in found.ruled_out),
        could_not_tell=tuple(each.playbook.id for each in found.could_not_tell),
        unknown=tuple(_unknown(found)),
    )


def _named(each: Considered) -> NamedPlaybook:
    action = next((step for step in each.playbook.resolution if step.command), None)
    return NamedPlaybook(
        playbook=each.playbook.id,
        title=each.playbook.title,
        severity=each.playbook.severity,
        impact=each.playbook.impact,
        evidence=tuple(
            f"{step.step.asks} {step.text} (healthy: {step.step.healthy}) {step.means}"
            for step in each.decided_by
        ),
        next_action=action.command if action else "",
        next_does=action.do if action else "",
    )


def _is_consequence(each: Considered) -> bool:
    return any(step.outcome is Outcome.CONSEQUENCE for step in each.evidence)


def _unknown(found: Triage) -> Iterator[str]:
    for reason, kept in found.unknown_by_reason.items():
        yield f"{reason} ({', '.join(each.playbook.id.value for each in kept)})"
