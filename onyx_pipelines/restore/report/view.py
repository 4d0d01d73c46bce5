"""What the page of a drill shows, in the order of the page. Pure; its template is `drill`.

What somebody woken at night asks comes first: did it pass, why not, how long would recovery take,
how old would the data be. Then the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from onyx_pipelines import __version__
from onyx_pipelines.reporting.charts.ticks import Tick, duration_ticks
from onyx_pipelines.reporting.palette import Badge, role
from onyx_pipelines.reporting.text import (
    NOTHING,
    count_text,
    duration_text,
    moment_text,
    percent_text,
    rate_text,
    size_text,
)
from onyx_pipelines.restore.report import summary
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.summary import PassedGroup, Problem
from onyx_pipelines.restore.report.timeline import Bar, Row, timeline_rows
from onyx_pipelines.restore.report.wording import (
    COMPONENT_NAMES,
    STEP_NAMES,
    VERDICT_NAMES,
    VERDICT_SIGNS,
)
from onyx_pipelines.restore.results import ComponentDrill, DrillResult, Step, StepTiming, age_s
from onyx_pipelines.restore.verdict import Verdict

MOST_DRILLS = 120  # in the chart
MOST_HISTORY_ROWS = 12
MOST_NAMES = 300
_MOST_TICKS = 11


@dataclass(frozen=True)
class ComponentRow:
    """One line of the table of components; `times` by step, `note` under the recovery time."""

    name: str
    verdict: Badge
    data: str
    times: tuple[str, ...]
    recovery: str
    rate: str
    note: str = ""


@dataclass(frozen=True)
class BarView:
    """A step of the timeline, in percent of its row."""

    role: str
    left: float
    width: float
    top: float
    height: float
    meaning: str


@dataclass(frozen=True)
class TimelineGroup:
    """The rows of a component: name, how long it was busy, its bars."""

    name: str
    rows: tuple[tuple[str, str, tuple[BarView, ...]], ...]


@dataclass(frozen=True)
class Timeline:
    """What ran when. Places of ticks in percent."""

    groups: tuple[TimelineGroup, ...]
    ticks: tuple[Tick, ...]
    key: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DrillView:
    """One drill and those before it."""

    result: DrillResult
    earlier: History

    @property
    def title(self) -> str:
        verdict = VERDICT_NAMES[self.result.verdict]
        return f"Restore drill {verdict}: {moment_text(self.result.started_at)}"

    @property
    def subtitle(self) -> str:
        return f"Restore drill, {moment_text(self.result.started_at)}"

    @property
    def verdict(self) -> Badge:
        return badge(self.result.verdict)

    @property
    def headline(self) -> str:
        return summary.headline(self.result)

    @property
    def chips(self) -> list[tuple[str, Badge]]:
        """The verdict of each component, and of the recovery time."""
        chips = [(COMPONENT_NAMES[d.component], badge(d.verdict)) for d in self.result.components]
        return [*chips, ("Recovery time", self._recovery)] if chips else []

    @property
    def _recovery(self) -> Badge:
        if not self.result.recovery_is_measured:
            return badge(Verdict.COULD_NOT_VERIFY, "not measured")
        if self.result.within_objective:
            return badge(Verdict.PASSED, "within the objective")
        return badge(Verdict.FAILED, "over the objective")

    @property
    def last_passed(self) -> str:
        """Which set to turn to; "" where this one passed."""
        is_passed = self.result.verdict is Verdict.PASSED
        return "" if is_passed else summary.last_passed_text(self.earlier.drills)

    @property
    def recovery(self) -> str:
        return summary.recovery_text(self.result)

    @property
    def recovery_notes(self) -> list[str]:
        against = summary.recovery_against_objective(self.result)
        return [against, *summary.recovery_notes(self.result)]

    @property
    def is_over_objective(self) -> bool:
        return self.result.recovery_is_measured and not self.result.within_objective

    @property
    def percent_of_objective(self) -> float | None:
        if not self.result.recovery_is_measured:
            return None
        return min(100.0, 100 * self.result.recovery_s / self.result.objective_s)

    @property
    def facts(self) -> list[tuple[str, str, str, str]]:
        """Name, figure, what it means, and of which set."""
        result = self.result
        age = duration_text(age_s(result.recovery_point, result.started_at))
        point, began = moment_text(result.recovery_point), moment_text(result.started_at)
        took_s = (result.finished_at - result.started_at).total_seconds()
        size = size_text(sum(drill.plain_bytes for drill in result.components))
        return [
            ("Recovery point", f"{age} old", f"Data as of {point}; age when the drill began.", ""),
            ("Drill took", duration_text(took_s), f"Began {began}; {size} of data.", ""),
            ("Restored from store", result.store, "Backup set ", result.backup_id),
        ]

    @property
    def problems(self) -> list[tuple[str, list[tuple[Badge, Problem]]]]:
        """By component, in the order of their weight."""
        found = groupby(summary.problems(self.result), key=lambda problem: problem.component)
        return [
            (COMPONENT_NAMES[component], [(badge(p.finding.verdict), p) for p in group])
            for component, group in found
        ]

    @property
    def problem_counts(self) -> str:
        found = summary.problems(self.result)
        failed = sum(problem.finding.verdict is Verdict.FAILED for problem in found)
        parts = [
            count_text(failed, "failed comparison") if failed else "",
            f"{len(found) - failed:,} that could not be made" if len(found) > failed else "",
        ]
        return f"{', '.join(filter(None, parts))}."

    @property
    def timeline(self) -> Timeline | None:
        """None: no step was timed."""
        rows = timeline_rows(self.result)
        if not rows:
            return None
        end_s = max(row.end_s for row in rows) or 1.0
        used = {bar.step for row in rows for bar in row.bars}
        return Timeline(
            groups=tuple(
                TimelineGroup(
                    COMPONENT_NAMES[component], tuple(_row_view(row, end_s) for row in group)
                )
                for component, group in groupby(rows, key=lambda row: row.component)
            ),
            ticks=tuple(
                Tick(100 * tick.value / end_s, tick.text)
                for tick in duration_ticks(end_s, most=_MOST_TICKS)
            ),
            key=tuple((role(step), STEP_NAMES[step]) for step in Step if step in used),
        )

    @property
    def steps(self) -> list[str]:
        return list(STEP_NAMES.values())

    @property
    def components(self) -> list[ComponentRow]:
        return component_rows(self.result)

    @property
    def together(self) -> ComponentRow | None:
        """The sum, where there is something to add up."""
        drills = self.result.components
        return _together(self.result) if len(drills) > 1 else None

    @property
    def passed_count(self) -> int:
        return sum(len(group.items) for group in summary.passed_groups(self.result))

    @property
    def passed(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """By component: what passed and how often, and of which items."""
        groups = groupby(summary.passed_groups(self.result), key=lambda group: group.component)
        return [
            (COMPONENT_NAMES[component], [_passed(group) for group in own])
            for component, own in groups
        ]

    @property
    def limits(self) -> list[str]:
        return summary.limits(self.result)

    @property
    def history(self) -> list[tuple[DrillResult, Badge, str]]:
        """The newest drills, with verdict and recovery time; the first one is this one."""
        drills = [self.result, *self.earlier.drills[: MOST_HISTORY_ROWS - 1]]
        return [(each, badge(each.verdict), summary.recovery_text(each)) for each in drills]

    @property
    def history_note(self) -> str:
        if not self.earlier.drills:
            return "This is the first drill on record."
        text = f"This drill and {count_text(len(self.earlier.drills), 'earlier one')}"
        if len(self.earlier.drills) >= MOST_DRILLS:
            text += f"; the chart shows the newest {MOST_DRILLS}"
        return f"{text}. The scale is logarithmic."

    @property
    def unreadable(self) -> list[str]:
        return [f"{each.directory.name}: {each.reason}" for each in self.earlier.unreadable]

    @property
    def command(self) -> str:
        return summary.reproduce_command(self.result)

    @property
    def reproduction(self) -> list[tuple[str, str]]:
        return [
            ("Drill", self.result.drill_id),
            ("Began", moment_text(self.result.started_at)),
            ("Ended", moment_text(self.result.finished_at)),
            ("onyx-pipelines", __version__),
            *(
                (f"{COMPONENT_NAMES[drill.component]}: {tool}", version)
                for drill in self.result.components
                for tool, version in sorted(drill.versions.items())
            ),
        ]


def badge(verdict: Verdict, word: str = "") -> Badge:
    """With the verdict's own word if none is given."""
    return Badge(role(verdict), VERDICT_SIGNS[verdict], word or VERDICT_NAMES[verdict])


def component_rows(result: DrillResult) -> list[ComponentRow]:
    return [_component_row(drill) for drill in result.components]


def _component_row(drill: ComponentDrill) -> ComponentRow:
    is_part = drill.share < 1
    is_measured = any(timing.step is Step.RESTORE for timing in drill.steps)
    return ComponentRow(
        name=COMPONENT_NAMES[drill.component],
        verdict=badge(drill.verdict),
        data=size_text(drill.plain_bytes)
        + (f" ({percent_text(drill.share)} of it)" if is_part else ""),
        times=_times(drill.steps),
        recovery=duration_text(drill.extrapolated_recovery_s) if is_measured else NOTHING,
        rate=rate_text(drill.plain_bytes, drill.recovery_s),
        note="for all of it" if is_part and is_measured else "",
    )


def _together(result: DrillResult) -> ComponentRow:
    plain_bytes = sum(drill.plain_bytes for drill in result.components)
    return ComponentRow(
        name="Together",
        verdict=badge(result.verdict),
        data=size_text(plain_bytes),
        times=_times([timing for drill in result.components for timing in drill.steps]),
        recovery=summary.recovery_text(result),
        rate=rate_text(plain_bytes, sum(drill.recovery_s for drill in result.components)),
    )


def _times(steps: Iterable[StepTiming]) -> tuple[str, ...]:
    spent = dict.fromkeys(Step, 0.0)
    for timing in steps:
        spent[timing.step] += timing.duration_s
    return tuple(duration_text(seconds) if seconds else NOTHING for seconds in spent.values())


def _row_view(row: Row, end_s: float) -> tuple[str, str, tuple[BarView, ...]]:
    bars = tuple(_bar_view(row, bar, end_s) for bar in row.bars)
    return row.label, duration_text(row.busy_s), bars


def _bar_view(row: Row, bar: Bar, end_s: float) -> BarView:
    took, begun = duration_text(bar.duration_s), duration_text(bar.offset_s)
    return BarView(
        role=role(bar.step),
        left=100 * bar.offset_s / end_s,
        width=100 * bar.duration_s / end_s,
        top=15 + 70 * bar.lane / row.lanes,
        height=70 / row.lanes,
        meaning=f"{COMPONENT_NAMES[row.component]}, {row.label}: {STEP_NAMES[bar.step].lower()}"
        f" {took}, from {begun} on",
    )


def _passed(group: PassedGroup) -> tuple[str, str]:
    names: Sequence[str] = summary.counted(group.items)
    rest = len(names) - MOST_NAMES
    more = f" and {rest:,} more, which drill.json names" if rest > 0 else ""
    return f"{group.aspect}: {len(group.items):,}", ", ".join(names[:MOST_NAMES]) + more
