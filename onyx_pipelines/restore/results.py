"""What a drill or a restore measured and found: the record that reports and checks read, and the
clock of its steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.sources.source import Component


class Step(StrEnum):
    """The parts of recovery that are timed."""

    PREPARE = "prepare"  # the scratch target is started
    FETCH = "fetch"  # sealed bytes are read, hashed, unsealed
    RESTORE = "restore"  # data goes into the target
    COMPARE = "compare"  # facts are read again and compared
    CLEAN_UP = "clean_up"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StepTiming(_Record):
    """When one step of one item ran. `offset_s` counts from the drill's start."""

    step: Step
    item: str
    offset_s: Annotated[float, Field(ge=0)]
    duration_s: Annotated[float, Field(ge=0)]
    plain_bytes: Annotated[int, Field(ge=0)] = 0


class Finding(_Record):
    """One comparison. `aspect` is what was compared: rows, schema, sequences, points, files…

    A finding that failed names the thing, what was expected and what was found. Texts name tables,
    collections, paths; they never quote their content. `limits`: what one that passed leaves open.
    """

    verdict: Verdict
    item: str
    aspect: str
    message: str
    expected: str = ""
    found: str = ""
    limits: str = ""

    @classmethod
    def passed(cls, item: str, aspect: str, message: str, **more: str) -> Self:
        """`more` may be `limits`: what is left open though it passed."""
        return cls(verdict=Verdict.PASSED, item=item, aspect=aspect, message=message, **more)

    @classmethod
    def failed(cls, item: str, aspect: str, message: str, **more: str) -> Self:
        """`more` is `expected` and `found`, in words."""
        return cls(verdict=Verdict.FAILED, item=item, aspect=aspect, message=message, **more)

    @classmethod
    def unverified(cls, item: str, aspect: str, message: str) -> Self:
        """It could not be compared, and why; that is neither passed nor failed."""
        return cls(verdict=Verdict.COULD_NOT_VERIFY, item=item, aspect=aspect, message=message)


class Indexing(_Record):
    """How far a restored collection is on its way to be searched as fast as before.

    `status` is the server's word: green, yellow (it is indexing), grey (it waits for a write), red.
    `indexed_before` is None where the set does not say.
    """

    item: str
    status: str
    indexed_vectors: Annotated[int, Field(ge=0)]
    indexed_before: Annotated[int, Field(ge=0)] | None = None

    @property
    def is_as_before(self) -> bool:
        """Green is: nothing is left to index. Else it may still merge what it has."""
        before = self.indexed_before
        return self.status == "green" or (before is not None and 0 < before <= self.indexed_vectors)


def share_of(restored_bytes: int, all_bytes: int) -> float:
    """The part of a component's data that was restored; 1 if there was nothing, or none of it:
    then no time was measured that could be extrapolated."""
    return restored_bytes / all_bytes if 0 < restored_bytes < all_bytes else 1.0


class ComponentResult(_Record):
    """One component of a drill. `share` is the part of its data that was restored, 0 to 1.

    `unfinished`: what a real restore could not put in place, and the same call tries again.
    `indexing`: of restored collections; `indexed_after_s`: when all of them were seen to be as fast
    as before, in seconds from the beginning; None: they are not yet.
    """

    component: Component
    findings: tuple[Finding, ...]
    steps: tuple[StepTiming, ...]
    plain_bytes: Annotated[int, Field(ge=0)]
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    versions: dict[str, str] = Field(default_factory=dict)
    unfinished: tuple[str, ...] = ()
    indexing: tuple[Indexing, ...] = ()
    indexed_after_s: Annotated[float, Field(ge=0)] | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings'."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def recovery_s(self) -> float:
        """Seconds until its data is usable: everything but comparing and cleaning up."""
        return sum(
            timing.duration_s
            for timing in self.steps
            if timing.step not in {Step.COMPARE, Step.CLEAN_UP}
        )

    @property
    def indexed_share(self) -> float | None:
        """Of the vectors that were indexed before, 0 to 1; None: not known, or there were none."""
        known = [(each.indexed_vectors, each.indexed_before or 0) for each in self.indexing]
        before = sum(total for _, total in known)
        return sum(min(each) for each in known) / before if before else None

    @property
    def extrapolated_recovery_s(self) -> float:
        """The same for all of its data: what was fetched and restored scales with its size."""
        fixed = sum(t.duration_s for t in self.steps if t.step is Step.PREPARE)
        return fixed + (self.recovery_s - fixed) / self.share

    @property
    def recovery_is_measured(self) -> bool:
        """False if nothing was restored though something was there: its seconds say nothing."""
        return self.verdict is Verdict.PASSED or (
            self.plain_bytes > 0 and any(t.step is Step.RESTORE for t in self.steps)
        )

    def problems(self) -> list[Finding]:
        """Findings that did not pass, in the order of comparing."""
        return [finding for finding in self.findings if finding.verdict is not Verdict.PASSED]


class DrillResult(_Record):
    """One whole drill of one backup set. `passed_over`: where the latest was asked for, which newer
    ones could not be taken, and why."""

    drill_id: str
    backup_id: str
    store: str
    recovery_point: AwareDatetime
    started_at: AwareDatetime
    finished_at: AwareDatetime
    objective_s: float
    components: tuple[ComponentResult, ...]
    error: str = ""
    passed_over: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of its components'; *could not verify* where it stopped early (`error`)."""
        if self.error:
            return Verdict.COULD_NOT_VERIFY
        return worst(component.verdict for component in self.components)

    @property
    def recovery_s(self) -> float:
        """Components are restored one after the other: the sum, extrapolated to all data."""
        return sum(component.extrapolated_recovery_s for component in self.components)

    @property
    def recovery_is_measured(self) -> bool:
        """False if it stopped early or left a component unrestored: no recovery time then."""
        return (
            not self.error
            and bool(self.components)
            and all(component.recovery_is_measured for component in self.components)
        )

    @property
    def within_objective(self) -> bool:
        """By `recovery_s`, which says something only where `recovery_is_measured`."""
        return self.recovery_s <= self.objective_s

    def component(self, component: Component) -> ComponentResult | None:
        """None: the drill did not get to it, or the set has none."""
        return next((c for c in self.components if c.component is component), None)


def parse_drill_result(data: bytes) -> DrillResult:
    """The inverse of `DrillResult.model_dump_json`."""
    return DrillResult.model_validate_json(data)


def age_s(moment: datetime, now: datetime) -> float:
    """Seconds from `moment` to `now`, never negative."""
    return max(0.0, (now - moment).total_seconds())


class StepClock:
    """Collects timings in the order in which the steps end, also of a step that failed."""

    def __init__(self, *, started: float | None = None) -> None:
        self._started = time.monotonic() if started is None else started
        self._timings: list[StepTiming] = []

    @contextmanager
    def step(self, step: Step, item: str, *, plain_bytes: int = 0) -> Iterator[None]:
        """Time the block, whether it succeeds or not."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._timings.append(
                StepTiming(
                    step=step,
                    item=item,
                    offset_s=round(max(0.0, begun - self._started), 3),
                    duration_s=round(time.monotonic() - begun, 3),
                    plain_bytes=plain_bytes,
                )
            )

    def timings(self) -> tuple[StepTiming, ...]:
        """Those of the steps that have ended, in that order; offsets in seconds from the clock's
        start."""
        return tuple(self._timings)
