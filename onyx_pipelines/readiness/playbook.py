"""What a playbook is (AC9.5.1, AC9.5.2), read from `playbooks/*.yaml`, where `$name` is a
threshold of the alerts.

Each diagnosis step can be run: a question to Prometheus, a command that changes nothing, or what
this product knows of one of its areas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.health.verdict import Area
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.limit import Limit, is_within, limit_words, with_thresholds

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]

_USUAL: Final = Thresholds()


class Nothing(StrEnum):
    """What no answer of a query means: that all is well (nobody asked the model), or nothing."""

    HEALTHY = "healthy"
    UNKNOWN = "unknown"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(_Read):
    """A question to Prometheus.

    Args:
        query: PromQL that gives one number.
        healthy_if: such as "< 0.9".
    """

    asks: Words
    query: Words
    healthy_if: Limit
    if_nothing: Nothing = Nothing.UNKNOWN

    @property
    def healthy_words(self) -> str:
        """Such as "is under 0.9"."""
        return f"is {limit_words(self.healthy_if)}"

    def is_healthy(self, value: float) -> bool:
        """Whether a number is as it should be."""
        return is_within(self.healthy_if, value)


class Step(_Read):
    """One step of a diagnosis: exactly one of `query`, `command`, `area`.

    Args:
        command: argv, run without a shell; it changes nothing.
        expect: a pattern that each line of its output must fit; no output says nothing.
        area: of the stack's health.
        healthy: what it looks like when this is not the cause.
        otherwise: what it means when it does not look so.
        is_decisive: whether that alone says that this playbook is the right one.
        follows_from: other incidents that make it look so; while one of them is found, this is
            its consequence.
    """

    id: Slug
    asks: Words
    query: str = ""
    healthy_if: str = ""
    if_nothing: Nothing = Nothing.UNKNOWN
    command: tuple[str, ...] = ()
    expect: str = ""
    area: Area | None = None
    healthy: Words
    otherwise: Words
    is_decisive: bool = False
    follows_from: tuple[Playbook, ...] = ()

    @model_validator(mode="after")
    def _asks_in_one_way(self) -> Step:
        if [bool(self.query), bool(self.command), bool(self.area)].count(True) != 1:
            raise ValueError(f"step {self.id} needs exactly one of query, command and area")
        if self.query:
            _ = self.measured
        re.compile(self.expect)
        return self

    def fits(self, line: str) -> bool:
        """Whether a line of its output is as expected."""
        return re.search(self.expect, line) is not None

    @property
    def measured(self) -> Measured:
        """Its question to Prometheus."""
        return Measured(
            asks=self.asks,
            query=self.query,
            healthy_if=self.healthy_if,
            if_nothing=self.if_nothing,
        )


class Action(_Read):
    """One step of a resolution.

    Args:
        command: ready to be typed; empty: it is done elsewhere.
        effect: what comes of it.
        undo: how it is taken back; empty: there is nothing to take back, or no way.
        when: steps of the diagnosis, one of which must be unhealthy; none: it is always taken.
        if_needed: it is left out where what came before has helped.
        fill_in: words of the command that whoever types it fills in, each with the pattern that
            finds it in what the commands before have said.
    """

    do: Words
    command: str = ""
    effect: Words
    undo: str = ""
    when: tuple[Slug, ...] = ()
    if_needed: bool = False
    fill_in: Mapping[str, Words] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> Action:
        for word, pattern in self.fill_in.items():
            if not re.search(rf"\b{word}\b", self.command) or re.compile(pattern).groups != 1:
                raise ValueError(f"{word} is no word of {self.command!r}, or has not one group")
        return self


class Escalation(_Read):
    """`with`: what is told to them."""

    after: timedelta
    to: Words
    told: Words = Field(alias="with")


class Communication(_Read):
    """Texts for those who use the stack; `{…}` is filled in by whoever sends it."""

    first: Words
    update: Words
    resolved: Words


class IncidentPlaybook(_Read):
    """One of the six."""

    id: Playbook
    title: Words
    severity: Severity
    owner: Words
    backup_owner: Words
    impact: Words
    symptoms: Annotated[tuple[Words, ...], Field(min_length=1)]
    diagnosis: Annotated[tuple[Step, ...], Field(min_length=1)]
    resolution: Annotated[tuple[Action, ...], Field(min_length=1)]
    recovered: Annotated[tuple[Measured, ...], Field(min_length=1)]
    prevention: Annotated[tuple[Words, ...], Field(min_length=1)]
    escalation: Annotated[tuple[Escalation, ...], Field(min_length=1)]
    communication: Communication

    @model_validator(mode="after")
    def _has_steps_that_it_names(self) -> IncidentPlaybook:
        known = {step.id for step in self.diagnosis}
        named = {step for action in self.resolution for step in action.when}
        if named - known:
            raise ValueError(f"no such step of the diagnosis: {sorted(named - known)}")
        return self


@cache
def playbooks(thresholds: Thresholds = _USUAL) -> tuple[IncidentPlaybook, ...]:
    """All, in the order of the specification.

    Args:
        thresholds: from which on alerts fire; a diagnosis judges by the same figures.
    """
    read = [
        IncidentPlaybook.model_validate(
            yaml.safe_load(with_thresholds(file.read_text(encoding="utf-8"), thresholds))
        )
        for file in files(__package__).joinpath("playbooks").iterdir()
        if file.name.endswith(".yaml")
    ]
    order = list(Playbook)
    return tuple(sorted(read, key=lambda each: order.index(each.id)))
