"""Which playbook fits what was found. Pure: evidence in, a triage out.

A step says healthy, unhealthy or nothing; what could not be looked at rules nothing out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from onyx_pipelines.core.text import list_text
from onyx_pipelines.health.verdict import Condition, Finding
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.playbook import IncidentPlaybook, Nothing, Step


class Outcome(StrEnum):
    """Of one step. CONSEQUENCE: unhealthy, and another incident that was found explains it."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    CONSEQUENCE = "consequence"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Seen:
    """What a step's question gave.

    Args:
        is_healthy: None: it could not be looked at, or says nothing.
        text: the figure, the output or the reason, in a few words.
    """

    is_healthy: bool | None
    text: str


@dataclass(frozen=True)
class Evidence:
    """One step of a playbook, and what it gave."""

    step: Step
    outcome: Outcome
    text: str

    @property
    def means(self) -> str:
        """In a sentence; empty: it could not be looked at."""
        if self.outcome is Outcome.UNKNOWN:
            return ""
        return self.step.healthy if self.outcome is Outcome.HEALTHY else self.step.otherwise

    @property
    def decides(self) -> bool:
        """Whether it alone says that its playbook is the right one."""
        return self.step.is_decisive and self.outcome is Outcome.UNHEALTHY


@dataclass(frozen=True)
class Considered:
    """One playbook, and what its steps gave."""

    playbook: IncidentPlaybook
    evidence: tuple[Evidence, ...]

    @property
    def decided_by(self) -> tuple[Evidence, ...]:
        """What names it; empty: it is not named."""
        return tuple(each for each in self.evidence if each.decides)

    @property
    def not_looked_at(self) -> tuple[Evidence, ...]:
        """Of what could have named it."""
        return tuple(
            each
            for each in self.evidence
            if each.step.is_decisive and each.outcome is Outcome.UNKNOWN
        )

    @property
    def next_action(self) -> str:
        """The first command of its resolution."""
        return next((each.command for each in self.playbook.resolution if each.command), "")


@dataclass(frozen=True)
class Triage:
    """Of one moment. `named`: the likeliest first."""

    at: datetime
    took_s: float
    named: tuple[Considered, ...]
    ruled_out: tuple[Considered, ...]
    could_not_tell: tuple[Considered, ...]

    @property
    def unknown_by_reason(self) -> dict[str, list[Considered]]:
        """Which playbooks each reason keeps from being told."""
        found: dict[str, list[Considered]] = {}
        for each in self.could_not_tell:
            for reason in dict.fromkeys(step.text for step in each.not_looked_at):
                found.setdefault(reason, []).append(each)
        return found

    @property
    def sentence(self) -> str:
        """All of it in one."""
        if self.named:
            first, *others = (each.playbook.title for each in self.named)
            also = f" Also: {list_text(others)}." if others else ""
            return f"{first}.{also}{self._doubt}"
        if self.could_not_tell:
            return f"Nothing was found.{self._doubt}"
        return "Nothing was found: every playbook is ruled out."

    @property
    def _doubt(self) -> str:
        if not self.could_not_tell:
            return ""
        unknown = list_text([each.playbook.id.value for each in self.could_not_tell])
        return f" Could not tell whether: {unknown}."


def seen_value(step: Step, value: float | None) -> Seen:
    """Of a query's answer; None: it gave nothing."""
    if value is None:
        is_healthy = True if step.if_nothing is Nothing.HEALTHY else None
        return Seen(is_healthy, "no figure")
    return Seen(step.measured.is_healthy(value), f"{value:.4g}")


def seen_output(step: Step, lines: Sequence[str]) -> Seen:
    """Of a command's lines; none say nothing."""
    if not lines:
        return Seen(None, "no output")
    odd = [line for line in lines if not step.fits(line)]
    return Seen(not odd, (odd or lines)[0])


def seen_finding(finding: Finding) -> Seen:
    """Of an area of the stack's health. What is degraded is no incident."""
    unknown = finding.condition in {Condition.UNKNOWN, Condition.NOT_WATCHED}
    return Seen(None if unknown else finding.condition is not Condition.FAILING, finding.summary)


def conclude(
    playbooks: Sequence[IncidentPlaybook],
    seen: Mapping[tuple[Playbook, str], Seen],
    at: datetime,
    took_s: float,
) -> Triage:
    """Args:
    seen: by playbook and step; what is not in it could not be looked at.
    """
    first = [_considered(each, seen, frozenset()) for each in playbooks]
    found = frozenset(each.playbook.id for each in first if each.decided_by)
    considered = [_considered(each, seen, found) for each in playbooks]
    named = [each for each in considered if each.decided_by]
    rest = [each for each in considered if not each.decided_by]
    return Triage(
        at,
        took_s,
        named=tuple(sorted(named, key=_rank)),
        ruled_out=tuple(each for each in rest if not each.not_looked_at),
        could_not_tell=tuple(each for each in rest if each.not_looked_at),
    )


def _considered(
    playbook: IncidentPlaybook,
    seen: Mapping[tuple[Playbook, str], Seen],
    found: frozenset[Playbook],
) -> Considered:
    evidence = []
    for step in playbook.diagnosis:
        it = seen.get((playbook.id, step.id), Seen(None, "was not looked at"))
        if it.is_healthy is None:
            outcome = Outcome.UNKNOWN
        elif it.is_healthy:
            outcome = Outcome.HEALTHY
        elif found & set(step.follows_from):
            outcome = Outcome.CONSEQUENCE
        else:
            outcome = Outcome.UNHEALTHY
        evidence.append(Evidence(step, outcome, it.text))
    return Considered(playbook, tuple(evidence))


def _rank(considered: Considered) -> tuple[bool, float]:
    """The critical first, then the larger share of what could name it."""
    decisive = sum(each.step.is_decisive for each in considered.evidence)
    is_critical = considered.playbook.severity is Severity.CRITICAL
    return not is_critical, -len(considered.decided_by) / decisive
