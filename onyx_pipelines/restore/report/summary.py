"""What a report says first: the sentence, the problems in order of weight, the recovery time.

Pure: decides what is said about a drill; templates only decide how it looks.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from onyx_pipelines.core.text import (
    count_text,
    duration_text,
    limit_text,
    list_text,
    number_text,
    percent_text,
    printable,
)
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.report.formatting import COMPONENT_NAMES
from onyx_pipelines.restore.results import DrillResult, Finding, age_s
from onyx_pipelines.sources.source import Component

NAMED_IN_HEADLINE = 3
_WEIGHT = {Verdict.FAILED: 0, Verdict.COULD_NOT_VERIFY: 1}


@dataclass(frozen=True)
class Problem:
    """A finding that did not pass, and whose it is."""

    component: Component
    finding: Finding


def problems(result: DrillResult) -> list[Problem]:
    """Failed ones first, then the unverified ones, each in the order they were found.

    A component without a single finding is itself a problem: nothing was compared.
    """
    found = [
        Problem(drill.component, finding)
        for drill in result.components
        for finding in drill.problems()
        or ([] if drill.findings else [_nothing_compared(drill.component)])
    ]
    return sorted(found, key=lambda problem: _WEIGHT[problem.finding.verdict])


def limits(result: DrillResult) -> list[str]:
    """What comparisons that passed leave open, a sentence each. Printable."""
    return [
        f"{printable(finding.item)}: {printable(finding.limits)}."
        for drill in result.components
        for finding in drill.findings
        if finding.verdict is Verdict.PASSED and finding.limits
    ]


def headline(result: DrillResult) -> str:
    """Why the verdict is what it is, in one or two sentences, and which newer sets were passed
    over. One line, printable."""
    sentences = [_reason(result)]
    if result.error:
        sentences.insert(0, f"The drill stopped early: {_ended(printable(result.error))}")
    if result.recovery_is_measured and not result.within_objective:
        sentences.append(
            f"Recovery took {duration_text(result.recovery_s)}, over the objective of"
            f" {limit_text(result.objective_s)}."
        )
    sentences += [printable(each) for each in result.passed_over]
    return " ".join(filter(None, sentences))


def recovery_text(result: DrillResult) -> str:
    """The recovery time, or that there is none."""
    return duration_text(result.recovery_s) if result.recovery_is_measured else "not measured"


def recovery_against_objective(result: DrillResult) -> str:
    limit = limit_text(result.objective_s)
    if not result.recovery_is_measured:
        return f"The objective is {limit}."
    share = percent_text(result.recovery_s / result.objective_s)
    if result.within_objective:
        return f"Within the objective of {limit} ({share} of it)."
    return f"Over the objective of {limit} ({share} of it)."


def recovery_notes(result: DrillResult) -> list[str]:
    """What must be known to read the recovery time: what it leaves out or extrapolates."""
    notes = []
    partial = [drill for drill in result.components if drill.share < 1]
    if partial:
        parts = [f"{percent_text(d.share)} of {COMPONENT_NAMES[d.component]}" for d in partial]
        measured_s = sum(drill.recovery_s for drill in result.components)
        notes.append(
            f"Extrapolated: {list_text(parts)} was restored, in {duration_text(measured_s)}"
            " measured for the whole drill."
        )
    unmeasured = [
        COMPONENT_NAMES[d.component] for d in result.components if not d.recovery_is_measured
    ]
    if unmeasured:
        notes.append(f"Not restored: {list_text(unmeasured)}.")
    absent = [COMPONENT_NAMES[c] for c in Component if result.component(c) is None]
    if absent and result.components:
        notes.append(f"Not drilled: {list_text(absent)}.")
    return notes


def recovery_point_age(result: DrillResult) -> str:
    """ "5 min 13 s old", when the drill began."""
    return f"{duration_text(age_s(result.recovery_point, result.started_at))} old"


def reproduce_command(result: DrillResult) -> str:
    return shlex.join(["onyx", "drill", result.backup_id, "--from", result.store])


def _reason(result: DrillResult) -> str:
    if not result.components:
        return "" if result.error else "No component was restored, so nothing was verified."
    found = problems(result)
    total = sum(len(drill.findings) or 1 for drill in result.components)
    if not found:
        return f"All {number_text(total)} comparisons passed." if not result.error else ""
    counts = Counter(problem.finding.verdict for problem in found)
    failed, unverified = counts[Verdict.FAILED], counts[Verdict.COULD_NOT_VERIFY]
    if failed and unverified:
        opening = f"{number_text(failed)} of {count_text(total, 'comparison')} failed,"
        opening += f" {number_text(unverified)} could not be made"
    elif failed:
        opening = f"{number_text(failed)} of {count_text(total, 'comparison')} failed"
    else:
        opening = (
            f"{number_text(unverified)} of {count_text(total, 'comparison')} could not be made"
        )
    return f"{opening}: {_names(found)}."


def _names(found: Sequence[Problem]) -> str:
    named = list(dict.fromkeys(_name(problem.finding) for problem in found))
    rest = len(named) - NAMED_IN_HEADLINE
    shown = named[:NAMED_IN_HEADLINE]
    return list_text([*shown, f"{number_text(rest)} more"]) if rest > 0 else list_text(shown)


def _name(finding: Finding) -> str:
    return f"{printable(finding.item)} ({printable(finding.aspect)})"


def _nothing_compared(component: Component) -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=COMPONENT_NAMES[component],
        aspect="comparison",
        message="Nothing of this component was compared.",
    )


def _ended(sentence: str) -> str:
    text = sentence.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def counted(items: Iterable[str]) -> list[str]:
    """Names once each, with how often where more than once."""
    return [
        name if n == 1 else f"{name} \N{MULTIPLICATION SIGN}{n}"
        for name, n in Counter(items).items()
    ]
