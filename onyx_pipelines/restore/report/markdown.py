"""A drill's short summary and what did not pass, as Markdown for Dagster's metadata."""

from __future__ import annotations

from onyx_pipelines.core.text import duration_text, moment_text, size_text
from onyx_pipelines.reporting.markdown import code, table_markdown, text
from onyx_pipelines.restore.report import view
from onyx_pipelines.restore.report.formatting import COMPONENT_NAMES
from onyx_pipelines.restore.report.summary import (
    headline,
    problems,
    recovery_against_objective,
    recovery_notes,
    recovery_point_age,
    recovery_text,
)
from onyx_pipelines.restore.results import ComponentResult, DrillResult

MOST_FINDINGS = 50


def summary_markdown(result: DrillResult) -> str:
    """The verdict, the times and a line per component: lines that wrap, as the column of the UI is
    narrow and cuts a table off."""
    notes = " ".join([recovery_against_objective(result), *recovery_notes(result)])
    took = duration_text((result.finished_at - result.started_at).total_seconds())
    facts = [
        f"Recovery time: **{recovery_text(result)}** {text(notes)}",
        f"Recovery point: {moment_text(result.recovery_point)}, {recovery_point_age(result)} when"
        " the drill began.",
        f"Restored from store {text(result.store)}, backup set {code(result.backup_id)}.",
        f"Drill took {took}.",
        *map(_component, result.components),
    ]
    verdict = str(view.badge(result.verdict)).upper()
    lines = "\n".join(f"- {fact}" for fact in facts)
    return f"**{verdict}**: {text(headline(result))}\n\n{lines}\n"


def _component(drill: ComponentResult) -> str:
    verdict, size = view.badge(drill.verdict), size_text(drill.plain_bytes)
    restored = f", {size} in {duration_text(drill.recovery_s)}" if drill.recovery_s else ""
    return f"{COMPONENT_NAMES[drill.component]}: {verdict}{restored}"


def findings_markdown(result: DrillResult) -> str:
    """A table of what did not pass, worst first, and how many more than MOST_FINDINGS there are."""
    if not problems(result):
        return "Every comparison passed."
    return table_markdown(view.findings(result), most=MOST_FINDINGS)
