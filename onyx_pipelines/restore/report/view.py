"""What the page of a drill shows besides its summary. Pure; its template is `drill`.

What somebody woken at night asks comes first: did it pass, why not, how long would recovery take,
how old would the data be. Then the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from onyx_pipelines import __version__
from onyx_pipelines.core.text import (
    NOTHING,
    duration_text,
    moment_text,
    percent_text,
    rate_text,
    size_text,
    words,
)
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.reporting import palette
from onyx_pipelines.reporting.palette import Badge, role
from onyx_pipelines.reporting.tables import Cell, Mark, Row, Table, plain_table
from onyx_pipelines.reporting.ticks import Tick, duration_ticks
from onyx_pipelines.restore.report import summary
from onyx_pipelines.restore.report.formatting import (
    COMPONENT_NAMES,
    STEP_NAMES,
)
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.timeline import Bar, ItemRow, timeline_rows
from onyx_pipelines.restore.results import (
    ComponentResult,
    DrillResult,
    Finding,
    Step,
    StepTiming,
)

MOST_DRILLS = 120  # in the chart
MOST_HISTORY_ROWS = 12
_MOST_TICKS = 11


def recovery_badge(result: DrillResult) -> Badge:
    if not result.recovery_is_measured:
        return badge(Verdict.COULD_NOT_VERIFY, "not measured")
    if result.within_objective:
        return badge(Verdict.PASSED, "within the objective")
    return badge(Verdict.FAILED, "over the objective")


def findings(result: DrillResult) -> Table:
    """What did not pass, by component, in the order of their weight."""
    found = groupby(summary.problems(result), key=lambda problem: problem.component)
    return Table(
        [
            *(("Item", "name mono full"), ("Verdict", "verdict full"), ("What is wrong", "full")),
            *(("Expected", "value mono"), ("Found", "value mono")),
        ],
        [
            (COMPONENT_NAMES[component], [_problem(problem.finding) for problem in group])
            for component, group in found
        ],
        group="Component",
    )


def _problem(finding: Finding) -> Row:
    return (
        finding.item,
        Cell(badge=badge(finding.verdict)),
        f"{finding.aspect}: {finding.message}",
        finding.expected or NOTHING,
        finding.found or NOTHING,
    )


def timeline(result: DrillResult) -> Table | None:
    """The rows of each component; none if no step was timed."""
    rows = timeline_rows(result)
    if not rows:
        return None
    end_s = max(row.end_s for row in rows) or 1.0
    groups = groupby(rows, key=lambda row: row.component)
    return Table(
        [("Item", "name"), ("When", "track"), ("Took", "took")],
        [(COMPONENT_NAMES[name], [_item(row, end_s) for row in group]) for name, group in groups],
        ticks=[
            Tick(100 * tick.value / end_s, tick.text)
            for tick in duration_ticks(end_s, most=_MOST_TICKS)
        ],
    )


def _item(row: ItemRow, end_s: float) -> Row:
    marks = tuple(
        Mark(
            "bar",
            role(bar.step),
            100 * bar.offset_s / end_s,
            100 * bar.duration_s / end_s,
            _bar_text(row, bar),
            bar.lane,
            row.lanes,
        )
        for bar in row.bars
    )
    return row.label, Cell(marks=marks), duration_text(row.busy_s)


def steps_used(result: DrillResult) -> list[tuple[str, str]]:
    """Colour role and name, in the order of steps."""
    used = {timing.step for drill in result.components for timing in drill.steps}
    return [(role(step), STEP_NAMES[step]) for step in Step if step in used]


def _bar_text(row: ItemRow, bar: Bar) -> str:
    step, took = STEP_NAMES[bar.step].lower(), duration_text(bar.duration_s)
    name = f"{COMPONENT_NAMES[row.component]}, {row.label}"
    return f"{name}: {step} {took}, from {duration_text(bar.offset_s)} on"


def passed(result: DrillResult) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """By component: what passed, and the names of the items, each with how often."""
    found = []
    for drill in result.components:
        by_aspect: dict[str, list[str]] = {}
        for finding in drill.findings:
            if finding.verdict is Verdict.PASSED:
                by_aspect.setdefault(finding.aspect, []).append(finding.item)
        if by_aspect:
            found.append((COMPONENT_NAMES[drill.component], list(by_aspect.items())))
    return found


def history(result: DrillResult, earlier: History) -> Table:
    """The newest drills, with verdict and recovery time; the first one is this one."""
    drills = [result, *earlier.drills[: MOST_HISTORY_ROWS - 1]]
    columns = [
        *(("Drill", ""), ("Verdict", ""), ("Recovery", "number"), ("Store", "")),
        *(("Data as of", ""), ("Backup set", "mono")),
    ]
    return plain_table(
        columns,
        [
            (
                Cell(moment_text(each.started_at), ("this drill",) if each is result else ()),
                Cell(badge=badge(each.verdict)),
                summary.recovery_text(each),
                each.store,
                moment_text(each.recovery_point),
                each.backup_id[:8],
            )
            for each in drills
        ],
    )


def reproduction(result: DrillResult) -> list[tuple[str, str]]:
    """What it takes to know it again."""
    return [
        ("Drill", result.drill_id),
        ("Began", moment_text(result.started_at)),
        ("Ended", moment_text(result.finished_at)),
        ("onyx-pipelines", __version__),
        *(
            (f"{COMPONENT_NAMES[drill.component]}: {tool}", version)
            for drill in result.components
            for tool, version in sorted(drill.versions.items())
        ),
    ]


def badge(verdict: Verdict, word: str = "") -> Badge:
    """With the verdict's own word if none is given."""
    return palette.badge(role(verdict), word or words(verdict))


def components(result: DrillResult) -> Table:
    """A row for each, and their sum where there is something to add up."""
    names = ["Data", *STEP_NAMES.values(), "Recovery", "Rate"]
    rows = [_component(drill) for drill in result.components]
    return Table(
        [("Component", ""), ("Verdict", ""), *((name, "number") for name in names)],
        [("", rows)],
        foot=_together(result) if len(rows) > 1 else None,
    )


def _component(drill: ComponentResult) -> Row:
    is_part = drill.share < 1
    is_measured = any(timing.step is Step.RESTORE for timing in drill.steps)
    return (
        COMPONENT_NAMES[drill.component],
        Cell(badge=badge(drill.verdict)),
        size_text(drill.plain_bytes) + (f" ({percent_text(drill.share)} of it)" if is_part else ""),
        *_times(drill.steps),
        Cell(
            duration_text(drill.extrapolated_recovery_s) if is_measured else NOTHING,
            ("for all of it",) if is_part and is_measured else (),
        ),
        rate_text(drill.plain_bytes, drill.recovery_s),
    )


def _together(result: DrillResult) -> Row:
    plain_bytes = sum(drill.plain_bytes for drill in result.components)
    return (
        "Together",
        Cell(badge=badge(result.verdict)),
        size_text(plain_bytes),
        *_times([timing for drill in result.components for timing in drill.steps]),
        summary.recovery_text(result),
        rate_text(plain_bytes, sum(drill.recovery_s for drill in result.components)),
    )


def _times(steps: Iterable[StepTiming]) -> list[str]:
    spent = dict.fromkeys(Step, 0.0)
    for timing in steps:
        spent[timing.step] += timing.duration_s
    return [duration_text(seconds) if seconds else NOTHING for seconds in spent.values()]
