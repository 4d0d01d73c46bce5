"""What the page of a load test shows, in its order. Pure; its template is `load_test`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.part import Part
from onyx_pipelines.load_test.report import sentences, wording
from onyx_pipelines.load_test.report.fullness import fullness
from onyx_pipelines.load_test.report.wording import (
    TIMES,
    interval_text,
    quantity,
    ratio_text,
    share_text,
    words,
)
from onyx_pipelines.load_test.results import (
    Attribution,
    Cause,
    Change,
    ChangeKind,
    LatencySummary,
    LoadTestResult,
    LoadVerdict,
    Objective,
    SweepStep,
)
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.reporting.charts.ticks import Tick
from onyx_pipelines.reporting.palette import Badge, role
from onyx_pipelines.reporting.text import NOT_KNOWN, latency_text, second_text

_GATES: Final = {
    True: Badge("passed", "✓", "met"),
    False: Badge("failed", "✗", "not met"),
    None: Badge("inconclusive", "?", "not seen"),
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


@dataclass(frozen=True)
class Cell:
    """A figure, and what must be known to read it."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Latency:
    """One line of the table of percentiles."""

    name: str
    percentiles: tuple[Cell, ...]
    most: str
    throughput: str
    gap: str
    errors: str
    samples: str


@dataclass(frozen=True)
class Ratio:
    """One figure against the baseline; places on the axis in percent, None: it has none there."""

    change: Change
    text: str
    kind: str
    role: str
    place: tuple[float, float, float] | None


@dataclass(frozen=True)
class LoadTestView:
    """One load test."""

    result: LoadTestResult

    @property
    def title(self) -> str:
        return f"Load test: {self.result.verdict.value}"

    @property
    def subtitle(self) -> str:
        began = second_text(self.result.started_at)
        return f"Load test, {began}, profile {self.result.profile}, target {self.result.target}"

    @property
    def is_invalid(self) -> bool:
        return self.result.verdict is LoadVerdict.INVALID

    @property
    def verdict(self) -> Badge:
        verdict = self.result.verdict
        return Badge(role(verdict), wording.SIGNS[verdict], verdict.value)

    @property
    def headline(self) -> str:
        return wording.headline(self.result)

    @property
    def objectives(self) -> list[tuple[Objective, str, str, Badge]]:
        """Each with its numbers, their interval and its verdict."""
        return [
            (
                each,
                wording.objective_text(each),
                interval_text(each.interval, each.unit),
                self._judged(each),
            )
            for each in self.result.objectives
        ]

    def _judged(self, objective: Objective) -> Badge:
        """No objective of an invalid run was passed or missed, whatever its numbers say."""
        counts = LoadVerdict.INVALID if self.is_invalid else objective.verdict
        word = wording.NOT_TO_BE_USED if self.is_invalid else counts.value
        return Badge(role(counts), wording.SIGNS[counts], word)

    @property
    def conditions(self) -> str:
        gates = self.result.validity.gates
        return f"{sum(gate.passed is True for gate in gates)} of {len(gates)} conditions shown"

    @property
    def bottlenecks(self) -> list[str]:
        return wording.bottleneck_lines(self.result)

    @property
    def alarms(self) -> list[str]:
        return [f"{second_text(each.at)}, {each.name}: {each.text}" for each in self.result.alarms]

    @property
    def percentile_names(self) -> list[str]:
        return [f"p{100 * q:g}" for q in REPORTED]

    @property
    def latencies(self) -> list[Latency]:
        return [_latency(self.result, each) for each in self.result.summaries]

    @property
    def capacities(self) -> list[str]:
        return wording.capacity_lines(self.result)

    @property
    def sweep(self) -> list[tuple[str, ...]]:
        return [_step(step) for step in self.result.sweep]

    @property
    def fullness(self) -> list[tuple[str, list[int], list[tuple[str, list[tuple[str, str]]]]]]:
        """Per scenario with telemetry: its users, and of each service the level and percent."""
        found = []
        for scenario in dict.fromkeys(step.scenario for step in self.result.sweep):
            rows = [
                (name, [_full(share) for share in row])
                for name, row in fullness(self.result, scenario).items()
            ]
            if rows:
                users = [step.users for step in steps_of(self.result.sweep, scenario)]
                found.append((words(scenario), users, rows))
        return found

    @property
    def compared(self) -> str:
        comparison = self.result.comparison
        if comparison.baseline_id is None:
            return comparison.reason or "No figure can be compared."
        regressed = [each for each in comparison.changes if each.kind is ChangeKind.REGRESSED]
        decided = ", ".join(each.name for each in regressed) or "none"
        return f"Baseline {comparison.baseline_id}. Regressed: {decided}."

    @property
    def ratios(self) -> list[Ratio]:
        return [self._ratio(each) for each in self.result.comparison.changes]

    @property
    def ratio_ticks(self) -> list[Tick]:
        low, high = self._ratio_limits
        return [
            Tick(_percent(ratio, low, high), f"{ratio:g}{TIMES}")
            for ratio in _TICKS
            if low <= ratio <= high
        ]

    @property
    def _ratio_limits(self) -> tuple[float, float]:
        ends = [end for each in self.result.comparison.changes for end in _ends(each)]
        return min(0.7, *ends, 0.7) / 1.08, max(2.3, *ends, 2.3) * 1.08

    def _ratio(self, change: Change) -> Ratio:
        low, high = self._ratio_limits
        places = [_percent(end, low, high) for end in _ends(change)]
        return Ratio(
            change,
            ratio_text(change.ratio, change.interval),
            wording.change_text(change),
            _KINDS[change.kind],
            (places[0], places[1], places[2]) if places else None,
        )

    @property
    def causes(self) -> list[tuple[str, str, list[tuple[str, str, list[str]]], list[str]]]:
        """Per scenario: what limits it; title, one line and evidence of each explanation; what the
        data do not show."""
        return [
            (
                words(each.scenario),
                sentences.summary(each),
                _causes(each),
                sentences.cannot_tell(each),
            )
            for each in self.result.attributions
        ]

    @property
    def remedies(self) -> list[tuple[str, sentences.Advice, str, list[str]]]:
        """Per remedy: scenario, advice, how to verify it, predicted gains."""
        return [
            (
                words(each.scenario),
                sentences.advice(remedy),
                sentences.verification(remedy),
                [wording.gain_text(gain) for gain in remedy.gains],
            )
            for each in self.result.attributions
            for remedy in each.remedies
        ]

    @property
    def no_remedies(self) -> str:
        return wording.no_remedies(self.result)

    @property
    def gates(self) -> list[tuple[Badge, str, str, str]]:
        return [
            (_GATES[gate.passed], gate.name, gate.observed, gate.required)
            for gate in self.result.validity.gates
        ]

    @property
    def command(self) -> str:
        return wording.command(self.result)

    @property
    def reproduction(self) -> list[tuple[str, str]]:
        return wording.reproduction_pairs(self.result)


def _latency(result: LoadTestResult, summary: LatencySummary) -> Latency:
    return Latency(
        name=wording.summary_name(summary),
        percentiles=tuple(_percentile(result, summary, q) for q in REPORTED),
        most=latency_text(summary.max_ms),
        throughput=quantity(summary.throughput_per_s, ""),
        gap=wording.gap_text(summary),
        errors=share_text(summary.error_rate, 2),
        samples=f"{summary.samples} in {summary.repeats} repeats",
    )


def _percentile(result: LoadTestResult, summary: LatencySummary, q: float) -> Cell:
    found = summary.percentile(q)
    if found is None or found.value is None:
        return Cell("", (found.reason if found is not None else NOT_KNOWN,))
    notes = [interval_text(found.interval)]
    change = wording.change_of(result, summary, q)
    if change is not None and change.ratio is not None:
        notes.append(f"baseline {ratio_text(change.ratio, change.interval)}")
    return Cell(latency_text(found.value), tuple(filter(None, notes)))


def _step(step: SweepStep) -> tuple[str, ...]:
    largest = max(step.parts, key=lambda part: step.parts[part], default=Part(""))
    share = step.parts[largest] / step.mean_ms if largest and step.mean_ms else 0.0
    return (
        words(step.scenario),
        str(step.users),
        f"{step.throughput_per_s:.1f}",
        # Where nothing was answered, the mean is no number.
        latency_text(step.mean_ms if step.samples else None),
        latency_text(step.p95_ms),
        share_text(step.error_rate, 1),
        f"{wording.part_name(largest)} ({100 * share:.0f} %)" if largest else NOT_KNOWN,
    )


def _full(share: float | None) -> tuple[str, str]:
    """The class of its cell and the percent."""
    if share is None:
        return "unknown", ""
    return f"full-{sum(share >= limit for limit in _FULL)}", f"{100 * share:.0f}"


def _ends(change: Change) -> list[float]:
    """Low, ratio, high; nothing where a log axis has no place for the ratio."""
    ratio, interval = change.ratio, change.interval
    if ratio is None or not _has_place(ratio):
        return []
    ends = (None, None) if interval is None else (interval.low, interval.high)
    low, high = (end if end is not None and _has_place(end) else ratio for end in ends)
    return [low, ratio, high]


def _has_place(ratio: float) -> bool:
    return math.isfinite(ratio) and ratio > 0


def _percent(ratio: float, low: float, high: float) -> float:
    # Differences, as the quotient of two finite ratios may be none; an end may be off by rounding.
    place = (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low))
    return 100 * min(1.0, max(0.0, place))


def _causes(attribution: Attribution) -> list[tuple[str, str, list[str]]]:
    titled: Sequence[tuple[str, Cause | None]] = (
        ("Cause", attribution.cause),
        ("Next best explanation", attribution.runner_up),
        ("Next limit once this is gone", attribution.next_cause),
    )
    return [
        (
            title,
            f"{cause.service}: {wording.CAUSES[cause.kind]}; share {wording.cause_share(cause)},"
            f" confidence {cause.confidence:.2f}",
            sentences.evidence(cause),
        )
        for title, cause in titled
        if cause is not None
    ]
