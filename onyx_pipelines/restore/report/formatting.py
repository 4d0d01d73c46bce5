"""What components, steps and verdicts are called, and findings as sentences. Pure."""

from __future__ import annotations

from onyx_pipelines.core.text import duration_text, list_text, percent_text, words
from onyx_pipelines.restore.results import ComponentResult, Finding, Step
from onyx_pipelines.sources.source import Component

COMPONENT_NAMES = {
    Component.POSTGRESQL: "PostgreSQL",
    Component.QDRANT: "Qdrant",
    Component.VOLUMES: "Volumes",
}
STEP_NAMES = {step: words(step).capitalize() for step in Step}
_NAMED = 5


def finding_text(finding: Finding) -> str:
    """With what was expected and what was found, where it says so."""
    detail = f" (expected {finding.expected}, found {finding.found})"
    shown = detail if finding.expected or finding.found else ""
    return f"{finding.item}: {finding.message}{shown}"


def speed_text(drill: ComponentResult) -> str:
    """When its data answers, and when as fast as before; "" where that is the same thing."""
    if not drill.indexing:
        return ""
    answers = f"data answers after {duration_text(drill.recovery_s)}"
    if drill.indexed_after_s is not None:
        return f"{answers}, indexed as before after {duration_text(drill.indexed_after_s)}"
    share = drill.indexed_share
    how_far = "" if share is None else f" ({percent_text(share)} of the vectors that were)"
    going_on = [f"{i.item} is {i.status}" for i in drill.indexing if not i.is_as_before]
    going_on += [f"{name} is not restored" for name in drill.unfinished]
    if len(going_on) > _NAMED:
        going_on[_NAMED:] = [f"{len(going_on) - _NAMED} more"]
    return f"{answers}, not yet indexed as before{how_far}: {list_text(going_on)}"
