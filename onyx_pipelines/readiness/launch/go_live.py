"""The day of going live (AC9.7.2): what is done when and by whom, what decides, the way back, what
is watched afterwards. Read from `go_live.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import limit_text, list_text
from onyx_pipelines.monitoring.rules.rule import Board
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, Role
from onyx_pipelines.readiness.launch.objections import Standing
from onyx_pipelines.readiness.launch.verdicts import LaunchReview, Verdict
from onyx_pipelines.readiness.limit import with_thresholds
from onyx_pipelines.readiness.playbook import Action, Measured, Slug, Words


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(_Read):
    """`command`: ready to be typed; empty: it is done elsewhere."""

    do: Words
    owner: Role
    command: str = ""


class Moment(_Read):
    """`at`: from the going live on; before it where negative."""

    at: timedelta
    title: Words
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]

    @property
    def when(self) -> str:
        """Such as "T-7 days"."""
        seconds = self.at.total_seconds()
        return f"T{'-' if seconds < 0 else '+'}{limit_text(abs(seconds))}" if seconds else "T"


class Criterion(_Read):
    """What has to be so, or nobody goes live: exactly one of the three.

    Args:
        items: of the checklist, each passed.
        every_blocker: every item that blocks has passed.
        signed_by: roles whose sign-off counts.
    """

    id: Slug
    asks: Words
    items: tuple[Slug, ...] = ()
    every_blocker: bool = False
    signed_by: tuple[Role, ...] = ()

    @model_validator(mode="after")
    def _asks_in_one_way(self) -> Criterion:
        if [bool(self.items), self.every_blocker, bool(self.signed_by)].count(True) != 1:
            raise ValueError(f"{self.id} needs one of items, every_blocker and signed_by")
        return self


class Rollback(_Read):
    """Args:
    when: any of these, held for `holds`, is reason enough; nobody discusses it then.
    within: from the decision to the end of the last step.
    """

    decides: Role
    holds: timedelta
    within: timedelta
    until: timedelta
    when: Annotated[tuple[Measured, ...], Field(min_length=1)]
    steps: Annotated[tuple[Action, ...], Field(min_length=1)]


class Watch(_Read):
    """A time after going live. `alerts`: those that are expected to be seen first."""

    begins: timedelta
    ends: timedelta
    who: Role
    how: Words
    dashboards: tuple[Board, ...]
    alerts: tuple[Words, ...]
    measured: Annotated[tuple[Measured, ...], Field(min_length=1)]


class GoLive(_Read):
    """All of it."""

    timeline: Annotated[tuple[Moment, ...], Field(min_length=1)]
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    rollback: Rollback
    watch: Annotated[tuple[Watch, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_in_order(self) -> GoLive:
        moments = [each.at for each in self.timeline]
        if moments != sorted(set(moments)):
            raise ValueError("the timeline is not in order")
        return self

    @property
    def actions(self) -> Iterator[str]:
        """Every command that it tells anybody to type."""
        yield from (task.command for moment in self.timeline for task in moment.tasks)
        yield from (step.command for step in self.rollback.steps)

    @property
    def measured(self) -> Iterator[Measured]:
        """Every question to Prometheus."""
        yield from self.rollback.when
        yield from (each for watch in self.watch for each in watch.measured)


@dataclass(frozen=True)
class Decision:
    """What a criterion comes to. `found`: what is missing, or that it holds."""

    criterion: Criterion
    verdict: Verdict
    found: str


@cache
def go_live(thresholds: Thresholds = Thresholds()) -> GoLive:  # noqa: B008  (it is frozen)
    """The procedure of this product.

    Args:
        thresholds: from which on alerts fire; what is watched is judged by the same figures.
    """
    text = files(__package__).joinpath("go_live.yaml").read_text(encoding="utf-8")
    return GoLive.model_validate(yaml.safe_load(with_thresholds(text, thresholds)))


def moments(procedure: GoLive, live_at: datetime) -> list[tuple[datetime, Moment]]:
    """The timeline with its dates."""
    return [(live_at + each.at, each) for each in procedure.timeline]


def decide(
    procedure: GoLive, review: LaunchReview, asked: Checklist, standings: Sequence[Standing]
) -> list[Decision]:
    """Go or no go, criterion by criterion: go where each has passed.

    Args:
        review: judged again now.
    """
    return [_decision(each, review, asked, standings) for each in procedure.criteria]


def _decision(
    criterion: Criterion, review: LaunchReview, asked: Checklist, standings: Sequence[Standing]
) -> Decision:
    if criterion.signed_by:
        missing = [
            each.sentence
            for each in standings
            if each.role in criterion.signed_by and not each.counts
        ]
        verdict = Verdict.FAILED if missing else Verdict.PASSED
        return Decision(criterion, verdict, " ".join(missing) or "All have signed.")
    wanted = [each for each in asked.items if _is_asked(criterion, each)]
    results = [review.result(item) for item in wanted]
    lacking = [each for each in results if each.verdict is not Verdict.PASSED]
    if not lacking:
        return Decision(criterion, Verdict.PASSED, f"{len(wanted)} of {len(wanted)} passed.")
    has_failed = any(each.verdict is Verdict.FAILED for each in lacking)
    verdict = Verdict.FAILED if has_failed else Verdict.COULD_NOT_VERIFY
    return Decision(criterion, verdict, f"Not passed: {list_text([e.item_id for e in lacking])}.")


def _is_asked(criterion: Criterion, item: Item) -> bool:
    return item.blocks if criterion.every_blocker else item.id in criterion.items
