"""The report as Markdown: tables for Dagster's metadata, for chat and for whoever has no browser.

Imports no drawing library.
"""

from __future__ import annotations

from collections.abc import Sequence

from onyx_pipelines import __version__
from onyx_pipelines.page.markdown import code, table, text
from onyx_pipelines.page.text import printable
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.summary import (
    counted,
    headline,
    last_passed_text,
    limits,
    passed_groups,
    problems,
    recovery_against_objective,
    recovery_notes,
    recovery_point_age,
    recovery_text,
    reproduce_command,
    versions,
)
from onyx_pipelines.restore.report.wording import (
    COMPONENT_NAMES,
    NOTHING,
    STEP_NAMES,
    VERDICT_NAMES,
    VERDICT_SIGNS,
    duration_text,
    moment_text,
    percent_text,
    rate_text,
    size_text,
)
from onyx_pipelines.restore.results import ComponentDrill, DrillResult, Step
from onyx_pipelines.restore.verdict import Verdict

TIMELINE_IMAGE, HISTORY_IMAGE = "timeline.png", "history.png"
MOST_FINDINGS_IN_METADATA = 50
MOST_HISTORY_ROWS = 12
MOST_NAMES = 50


# As entities: unlike a backslash, they mean the same inside and outside of a table, everywhere.
def report_markdown(result: DrillResult, earlier: History) -> str:
    """The whole report, the same facts as the HTML page. `earlier` is newest first."""
    sections = [
        f"# Restore drill, {moment_text(result.started_at)}",
        _verdict_line(result),
        _facts(result, earlier),
    ]
    if problems(result):
        sections += ["## What did not pass", findings_markdown(result, limit=None)]
    if result.components:
        sections += ["## Components", _component_table(result)]
    sections.append("## Timeline")
    if any(drill.steps for drill in result.components):
        sections.append(f"![Timeline of the drill]({TIMELINE_IMAGE})")
    sections.append(_timeline(result))
    sections += ["## What passed", _passed(result)]
    sections.append("## Recovery time over the drills")
    sections.append(f"![Recovery time over the drills]({HISTORY_IMAGE})")
    sections.append(_history(result, earlier))
    sections += ["## Run it again", f"```sh\n{printable(reproduce_command(result))}\n```"]
    sections.append(_versions(result))
    return "\n\n".join(sections) + "\n"


def summary_markdown(result: DrillResult) -> str:
    """The verdict, the times and a row per component: a screenful."""
    parts = [_verdict_line(result), _facts(result)]
    if result.components:
        parts.append(_component_table(result))
    return "\n\n".join(parts) + "\n"


def findings_markdown(result: DrillResult, *, limit: int | None = MOST_FINDINGS_IN_METADATA) -> str:
    """A table of what did not pass, worst first, and how many more than `limit` there are."""
    found = problems(result)
    if not found:
        return "Every comparison passed."
    rows = [
        (
            _badge(problem.finding.verdict),
            COMPONENT_NAMES[problem.component],
            code(problem.finding.item),
            text(problem.finding.aspect),
            text(problem.finding.message),
            code(problem.finding.expected),
            code(problem.finding.found),
        )
        for problem in found[:limit]
    ]
    headings = ("Verdict", "Component", "Item", "Aspect", "What is wrong", "Expected", "Found")
    written = table(headings, rows)
    rest = len(found) - len(rows)
    return f"{written}\n\n{rest:,} more are in the report." if rest else written


def _verdict_line(result: DrillResult) -> str:
    return (
        f"**{VERDICT_SIGNS[result.verdict]} {VERDICT_NAMES[result.verdict].upper()}**:"
        f" {text(headline(result))}"
    )


def _facts(result: DrillResult, earlier: History | None = None) -> str:
    notes = " ".join([recovery_against_objective(result), *recovery_notes(result)])
    took_s = (result.finished_at - result.started_at).total_seconds()
    rows = [("Recovery time", f"**{recovery_text(result)}** {text(notes)}")]
    if earlier is not None and result.verdict is not Verdict.PASSED:
        rows.append(("Last set that passed", text(last_passed_text(earlier.drills))))
    rows += [
        ("Recovery point", f"{moment_text(result.recovery_point)}, {recovery_point_age(result)}"),
        ("Restored from store", text(result.store)),
        ("Backup set", code(result.backup_id)),
        ("Drill took", duration_text(took_s)),
    ]
    return table(("", ""), rows)


def _component_table(result: DrillResult) -> str:
    headings = ["Component", "Verdict", "Data", *STEP_NAMES.values(), "Recovery", "Rate"]
    return table(headings, [_component_row(drill) for drill in result.components])


def _component_row(drill: ComponentDrill) -> list[str]:
    seconds = {step: sum(t.duration_s for t in drill.steps if t.step is step) for step in Step}
    part = f" ({percent_text(drill.share)} of it)" if drill.share < 1 else ""
    measured = seconds[Step.RESTORE] > 0
    return [
        COMPONENT_NAMES[drill.component],
        _badge(drill.verdict),
        f"{size_text(drill.plain_bytes)}{part}",
        *(duration_text(s) if s else NOTHING for s in seconds.values()),
        duration_text(drill.extrapolated_recovery_s) if measured else NOTHING,
        rate_text(drill.plain_bytes, drill.recovery_s),
    ]


def _timeline(result: DrillResult) -> str:
    rows = [
        (
            duration_text(timing.offset_s),
            COMPONENT_NAMES[drill.component],
            code(timing.item),
            STEP_NAMES[timing.step],
            duration_text(timing.duration_s),
            size_text(timing.plain_bytes) if timing.plain_bytes else NOTHING,
        )
        for drill in result.components
        for timing in sorted(drill.steps, key=lambda timing: timing.offset_s)
    ]
    if not rows:
        return "No step was timed: the drill ended before the first one."
    return table(("From", "Component", "Item", "Step", "Took", "Data"), rows)


def _passed(result: DrillResult) -> str:
    groups = passed_groups(result)
    if not groups:
        return "No comparison passed."
    rows = [
        (
            COMPONENT_NAMES[group.component],
            text(group.aspect),
            f"{len(group.items):,}",
            _names(counted(group.items)),
        )
        for group in groups
    ]
    sections = [table(("Component", "Aspect", "Comparisons", "Items"), rows)]
    open_ends = limits(result)
    if open_ends:
        sections += ["What this leaves open:", "\n".join(f"- {text(each)}" for each in open_ends)]
    return "\n\n".join(sections)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(code(name) for name in names[:MOST_NAMES])
    rest = len(names) - MOST_NAMES
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _history(result: DrillResult, earlier: History) -> str:
    drills = [result, *earlier.drills[: MOST_HISTORY_ROWS - 1]]
    rows = [
        (
            moment_text(drill.started_at) + (" (this drill)" if drill is result else ""),
            _badge(drill.verdict),
            recovery_text(drill),
            text(drill.store),
            code(drill.backup_id[:8]),
            moment_text(drill.recovery_point),
        )
        for drill in drills
    ]
    headings = ("Drill", "Verdict", "Recovery", "Store", "Backup set", "Data as of")
    parts = [table(headings, rows)]
    hidden = len(earlier.drills) + 1 - len(drills)
    if hidden:
        parts.append(f"{hidden:,} older ones are not listed.")
    parts += [
        f"Could not be read: {code(problem.directory.name)}, {text(problem.reason)}"
        for problem in earlier.unreadable
    ]
    return "\n\n".join(parts)


def _versions(result: DrillResult) -> str:
    rows = [("", "onyx-pipelines", code(__version__))]
    rows += [(name, text(tool), code(version)) for name, tool, version in versions(result)]
    return table(("Component", "Tool", "Version"), rows)


def _badge(verdict: Verdict) -> str:
    return f"{VERDICT_SIGNS[verdict]} {VERDICT_NAMES[verdict]}"
