"""What is found of each area, and what that makes of the whole stack. Pure.

What is not known is never well: it may be the worst.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from onyx_pipelines.core.text import list_text


class Condition(StrEnum):
    """NOT_WATCHED: nothing of this product looks at it yet. It is said, and decides nothing."""

    OK = "ok"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    FAILING = "failing"
    NOT_WATCHED = "not_watched"


# The higher, the worse; what is unknown may be failing.
RANK: Final = {
    Condition.OK: 0,
    Condition.DEGRADED: 1,
    Condition.UNKNOWN: 2,
    Condition.FAILING: 3,
}


class Area(StrEnum):
    """What people rely on, in the order in which it is told."""

    BACKUPS = "backups"
    DRILLS = "drills"
    LOAD_TESTS = "load_tests"
    SCRAPING = "scraping"
    ALERTS = "alerts"
    ERRORS = "errors"
    READINESS = "readiness"

    @property
    def words(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


@dataclass(frozen=True)
class Finding:
    """Of one area.

    Args:
        summary: the worst of it in a sentence that anybody may read: no set, store, address in it.
        at: of when the evidence is; None: there is none.
        details: further sentences, for whoever operates it.
        action: the command to run next; empty: none is needed.
    """

    area: Area
    condition: Condition
    summary: str
    at: datetime | None = None
    details: tuple[str, ...] = ()
    action: str = ""

    def age_s(self, now: datetime) -> float | None:
        """Of the evidence."""
        return None if self.at is None else max(0.0, (now - self.at).total_seconds())


def verdict(conditions: Iterable[Condition]) -> Condition:
    """The worst of what is watched; of nothing, nothing is known."""
    watched = [each for each in conditions if each is not Condition.NOT_WATCHED]
    return max(watched, key=RANK.__getitem__, default=Condition.UNKNOWN)


@dataclass(frozen=True)
class StackHealth:
    """Of one stack at one moment. `stack`: its name; empty: the only one."""

    stack: str
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def condition(self) -> Condition:
        """Of the whole."""
        return verdict(each.condition for each in self.findings)

    @property
    def worst(self) -> Finding | None:
        """The first of the worst; None: nothing is watched."""
        return next((each for each in self.findings if each.condition is self.condition), None)

    @property
    def action(self) -> str:
        """What to do next about the worst; empty: nothing."""
        return self.worst.action if self.worst else ""

    @property
    def gist(self) -> str:
        """What fails, is unknown, is degraded: the same for as long as that does not change."""
        said = [
            f"{each}: {list_text(named)}"
            for each in (Condition.FAILING, Condition.UNKNOWN, Condition.DEGRADED)
            if (named := _named(self.findings, each))
        ]
        return f"{'; '.join(said) or 'all is well'}."

    @property
    def sentence(self) -> str:
        """All of it in one."""
        unwatched = _named(self.findings, Condition.NOT_WATCHED)
        tail = f"; not watched yet: {list_text(unwatched)}" if unwatched else ""
        worst = self.worst
        if worst is None:
            return f"Nothing is known{tail}."
        if self.condition is Condition.OK:
            return f"All is well: {list_text(_named(self.findings, Condition.OK))}{tail}."
        others = [
            f"also {each}: {list_text(named)}"
            for each in (Condition.FAILING, Condition.UNKNOWN, Condition.DEGRADED)
            if (named := _named(self.findings, each, besides=worst))
        ]
        first = f"{worst.area.words} {worst.condition}: {worst.summary.rstrip('.')}"
        said = "; ".join([first[0].upper() + first[1:], *others])
        return f"{said}{tail}."


def _named(
    findings: Sequence[Finding], condition: Condition, besides: Finding | None = None
) -> list[str]:
    return [
        each.area.words for each in findings if each.condition is condition and each is not besides
    ]
