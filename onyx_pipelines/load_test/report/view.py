"""What the page of a load test shows besides its formatting. Pure; its template is `load_test`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from onyx_pipelines.core.text import NOT_KNOWN, NOTHING, latency_text, percent_text, words
from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report import formatting, sentences
from onyx_pipelines.load_test.report.formatting import TIMES, interval_text, ratio_text
from onyx_pipelines.load_test.results import (
    Attribution,
    Cause,
    Change,
    ChangeKind,
    LatencySummary,
    LoadTestResult,
    LoadVerdict,
    Objective,
    Remedy,
    Scenario,
    ServiceLoad,
    SweepStep,
)
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.reporting.palette import Badge, badge, role
from onyx_pipelines.reporting.tables import Cell, Mark, Row, Table, plain_table
from onyx_pipelines.reporting.ticks import Tick, log_percent

_GATES: Final = {
    True: badge("passed", "met"),
    False: badge("failed", "not met"),
    None: badge("inconclusive", "not seen"),
}
_KINDS: Final = {
    ChangeKind.REGRESSED: "failed",
    ChangeKind.IMPROVED: "passed",
    ChangeKind.UNCHANGED: "ink",
    ChangeKind.INCONCLUSIVE: "muted",
}
_TICKS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
# From here on a cell is a step darker.
_FULL: Final = (0.3, 0.6, 0.85)


def verdict(result: LoadTestResult) -> Badge:
    return badge(role(result.verdict), result.verdict.value)


def judged(result: LoadTestResult, objective: Objective) -> Badge:
    """No objective of an invalid run was passed or missed, whatever its numbers say."""
    is_invalid = result.verdict is LoadVerdict.INVALID
    counts = LoadVerdict.INVALID if is_invalid else objective.verdict
    word = "not to be used" if is_invalid else counts.value
    return badge(role(counts), word)


def validity(result: LoadTestResult) -> Table:
    """Each condition, whether it is met, and why."""
    return plain_table(
        [("Condition", "full"), ("Holds", "full"), ("Observed", "value"), ("Required", "value")],
        [
            (
                sentences.condition(each),
                Cell(badge=_GATES[each.passed]),
                sentences.observed(each),
                sentences.sentence(each.required),
            )
            for each in result.validity.gates
        ],
    )


def objectives(result: LoadTestResult) -> Table:
    """What was promised, and what the samples say of it."""
    return plain_table(
        [("Objective", ""), ("Measured", ""), ("95 % interval", ""), ("Verdict", "")],
        [
            (
                each.name,
                formatting.objective_text(each),
                interval_text(each.interval, each.unit),
                Cell(badge=judged(result, each)),
            )
            for each in result.objectives
        ],
    )


def latencies(result: LoadTestResult) -> Table:
    """Percentiles, throughput and errors of the baseline block."""
    names = [*(f"p{100 * q:g}" for q in REPORTED), "max", "answers per s", "errors", "samples"]
    return plain_table(
        [("", ""), *((name, "") for name in names)],
        [
            (
                formatting.summary_name(each),
                *(percentile(result, each, q) for q in REPORTED),
                Cell(latency_text(each.max_ms), kind="nowrap"),
                Cell(
                    formatting.quantity(each.throughput_per_s, ""),
                    (f"longest gap {formatting.gap_text(each)}",),
                ),
                Cell(percent_text(each.error_rate, 2), kind="nowrap"),
                f"{each.samples} in {each.repeats} repeats",
            )
            for each in result.summaries
        ],
    )


def percentile(result: LoadTestResult, summary: LatencySummary, q: float) -> Cell:
    """The figure, and what must be known to read it."""
    found = summary.percentile(q)
    if found is None or found.value is None:
        return Cell("", (sentences.lacking(found),))
    notes = [interval_text(found.interval)]
    change = formatting.change_of(result, summary, q)
    if change is not None and change.ratio is not None:
        notes.append(f"baseline {ratio_text(change.ratio, change.interval)}")
    return Cell(latency_text(found.value), tuple(filter(None, notes)))


def sweep(result: LoadTestResult) -> Table:
    """A row for each number of users."""
    names = ("Scenario", "Users", "Answers/s", "Mean", "p95", "Errors", "Largest part")
    return plain_table([(name, "") for name in names], [_step(step) for step in result.sweep])


def remedies(result: LoadTestResult) -> Table:
    """What to do, the most effective first for each scenario."""
    names = ("Action", "name full"), ("Predicted", ""), ("Risk, effort", ""), ("How to verify", "")
    return plain_table(
        names, [_remedy(each, remedy) for each in result.attributions for remedy in each.remedies]
    )


def _remedy(attribution: Attribution, remedy: Remedy) -> Row:
    advice = sentences.advice(remedy)
    first, *others = [*map(formatting.gain_text, remedy.gains)] or [NOTHING]
    return (
        f"{words(attribution.scenario)}: {advice.action}",
        Cell(first, tuple(others)),
        Cell(advice.risk, (f"Effort: {advice.effort}",)),
        sentences.verification(remedy),
    )


def fullness(result: LoadTestResult, scenario: Scenario) -> dict[str, list[float | None]]:
    """Shares of a service's CPU, pool and the machine's memory by step, the fewest users first.

    What no step knows has no row.
    """
    steps = steps_of(result.sweep, scenario)
    machine_bytes = result.environment.memory_bytes
    found: dict[str, list[float | None]] = {}
    for service in dict.fromkeys(load.service for step in steps for load in step.services):
        loads = [_of(step, service) for step in steps]
        found[f"{service} CPU"] = [load.cpu_saturation if load else None for load in loads]
        found[f"{service} pool"] = [load.pool_saturation if load else None for load in loads]
        found[f"{service} memory"] = [_memory_share(load, machine_bytes) for load in loads]
    return {name: row for name, row in found.items() if any(value is not None for value in row)}


def filled(result: LoadTestResult) -> list[Table]:
    """Percent by step of each scenario with telemetry; the fuller, the darker."""
    found = []
    for scenario in dict.fromkeys(step.scenario for step in result.sweep):
        rows: list[Row] = [
            (name, *map(_full, row)) for name, row in fullness(result, scenario).items()
        ]
        if rows:
            users = [(str(step.users), "") for step in steps_of(result.sweep, scenario)]
            found.append(plain_table([(f"{words(scenario)}, users", "name"), *users], rows))
    return found


def changes(result: LoadTestResult) -> Table:
    """Every figure against the baseline."""
    return plain_table(
        [("Figure", "name full"), ("Ratio (95 % interval)", ""), ("Change", "full")],
        [
            (
                each.name + (" (decides)" if each.is_gating else ""),
                ratio_text(each.ratio, each.interval),
                Cell(
                    each.kind.value + (", alarm" if each.is_alarm else ""),
                    (sentences.change(each),),
                ),
            )
            for each in result.comparison.changes
        ],
    )


def ratios(result: LoadTestResult) -> Table:
    """`changes` with their places on a scale."""
    low, high = _scale(result)
    shown = changes(result)
    name, ratio, change = shown.columns
    ((_, rows),) = shown.groups
    marked = [
        (*row[:2], Cell(marks=_marks(each, low, high)), row[2])
        for row, each in zip(rows, result.comparison.changes, strict=True)
    ]
    return Table(
        [name, ratio, ("On a scale", "track full"), change],
        [("", marked)],
        ticks=[
            Tick(log_percent(tick, low, high), f"{tick:g}{TIMES}")
            for tick in _TICKS
            if low <= tick <= high
        ],
    )


def _marks(change: Change, low: float, high: float) -> tuple[Mark, ...]:
    places = [log_percent(end, low, high) for end in _ends(change)]
    same = Mark("mark", "muted", log_percent(1.0, low, high))
    if not places:
        return (same,)
    role, kind = _KINDS[change.kind], "point decides" if change.is_gating else "point"
    begin, place, end = places
    return same, Mark("range", role, begin, end - begin), Mark(kind, role, place)


def causes(attribution: Attribution) -> list[tuple[str, str, Cause]]:
    """Title and one line of each explanation."""
    titled: Sequence[tuple[str, Cause | None]] = (
        ("Cause", attribution.cause),
        ("Next best explanation", attribution.runner_up),
        ("Next limit once this is gone", attribution.next_cause),
    )
    return [(title, sentences.cause_text(cause), cause) for title, cause in titled if cause]


def _step(step: SweepStep) -> Row:
    largest = max(step.parts, key=lambda part: step.parts[part], default=Part(""))
    share = step.parts[largest] / step.mean_ms if largest and step.mean_ms else 0.0
    return (
        words(step.scenario),
        str(step.users),
        f"{step.throughput_per_s:.1f}",
        # Where nothing was answered, the mean is no number.
        latency_text(step.mean_ms if step.samples else None),
        latency_text(step.p95_ms),
        percent_text(step.error_rate, 1),
        f"{formatting.part_name(largest)} ({100 * share:.0f} %)" if largest else NOT_KNOWN,
    )


def _full(share: float | None) -> Cell:
    if share is None:
        return Cell(NOTHING, kind="unknown")
    darkness = sum(share >= limit for limit in _FULL)
    return Cell(f"{100 * share:.0f}", kind=f"full-{darkness}")


def _ends(change: Change) -> list[float]:
    """Low, ratio, high; nothing where a log axis has no place for the ratio."""
    ratio, interval = change.ratio, change.interval
    if ratio is None or not _has_place(ratio):
        return []
    ends = (None, None) if interval is None else (interval.low, interval.high)
    low, high = (end if end is not None and _has_place(end) else ratio for end in ends)
    return [min(low, ratio), ratio, max(high, ratio)]


def _has_place(ratio: float) -> bool:
    return math.isfinite(ratio) and ratio > 0


def _scale(result: LoadTestResult) -> tuple[float, float]:
    """The ends of the scale of ratios; one far outside stands at its end, and squeezes no other."""
    ends = [end for each in result.comparison.changes for end in _ends(each)]
    return max(min(0.7, *ends, 0.7), _TICKS[0]) / 1.08, min(max(2.3, *ends, 2.3), _TICKS[-1]) * 1.08


def _memory_share(load: ServiceLoad | None, machine_bytes: int) -> float | None:
    if load is None or load.memory_bytes is None or machine_bytes <= 0:
        return None
    return load.memory_bytes / machine_bytes


def _of(step: SweepStep, service: str) -> ServiceLoad | None:
    return next((load for load in step.services if load.service == service), None)
